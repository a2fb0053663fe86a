"""scikit-learn's 8x8 handwritten digits, which come with its package: no download.

Source: UCI Optical Recognition of Handwritten Digits, test part (1797 images, 17 levels of grey).
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np

from cl_bench.datasets import Arrays
from cl_bench.errors import RunError
from cl_bench.files.bounds import gunzip_bounded, read_bounded

LARGEST = 2**20  # bytes of the file, packed or not
SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"


def load(name: str) -> Arrays:
    """1,498 training and 299 test images; every sixth image is a test image.

    The file is read where scikit-learn keeps it, without the second that importing it takes.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise RunError("digits needs scikit-learn: pip install scikit-learn")
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    content = gunzip_bounded(read_bounded(path, LARGEST), LARGEST)
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise RunError(f"{path} is not the digits file (sha256 {found}): reinstall scikit-learn")
    rows = np.loadtxt(content.decode().splitlines(), delimiter=",", dtype=np.int64)
    images = np.rint(rows[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    labels = rows[:, 64]
    test = np.arange(len(rows)) % 6 == 5
    return Arrays(
        name, images[~test], labels[~test], images[test], labels[test], 10, found, "scikit-learn"
    )
