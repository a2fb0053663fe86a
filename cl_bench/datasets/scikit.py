"""Files that come with scikit-learn's package: no download."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from cl_bench.errors import RunError
from cl_bench.files.bounds import gunzip_bounded, read_bounded

LARGEST = 2**20  # bytes of a file, packed or not


def read_packed(name: str, file: str, sha256: str) -> str:
    """The text of a ``.gz`` file of the dataset ``name``.

    It is read where scikit-learn keeps it, without the second that importing it takes.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise RunError(f"{name} needs scikit-learn: pip install scikit-learn")
    path = Path(spec.origin).parent / "datasets" / "data" / file
    content = gunzip_bounded(read_bounded(path, LARGEST), LARGEST)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise RunError(f"{path} is not the {name} file (sha256 {found}): reinstall scikit-learn")
    return content.decode()
