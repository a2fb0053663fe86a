"""Files that are either whole or absent."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

PARTIAL = ".partial"  # the end of a temporary name


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write to a temporary name beside ``path``, flush to the disk, rename.

    A reader sees the old file or the new one, never a part; on an error the old one stays.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        handle, name = tempfile.mkstemp(PARTIAL, f".{path.name}.", path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a full disk does not say where
        raise


def remove_partial(directory: Path) -> None:
    """Delete what a process left that was killed while it wrote a file of ``directory``."""
    for path in directory.glob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """``value`` as indented strict JSON (no NaN), written atomically."""
    write_atomic(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
