"""Classes and arrays where the command line takes names: each gets a name, once and for all."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

# option -> the group in which a class given for it is registered
_GROUPS = {
    "method": "method", "model": "model", "memory": "memory", "tracker": "tracker",
    "dataset.stream": "stream",
}  # fmt: skip
_KEYS = ("x", "y", "task", "x_test", "y_test", "task_test")
EVERY = 5  # without a test set every fifth sample of a class and task is for testing


def named(options: Mapping[str, Any]) -> dict[str, Any]:
    """``options`` with names in the place of classes (one, or among those of a sweep) and of a
    dataset's arrays.

    A class is registered under its own name, here and in what a launcher starts. Arrays are written
    to ``outputs/.arrays/``, named by their content, and read by ``dataset=npz``: the run can be
    taken up again by whoever has the folder.
    """
    found: dict[str, Any] = {}
    for key, value in options.items():
        if key == "dataset" and isinstance(value, Mapping):
            place = Path(str(options.get("outputs", "outputs"))).expanduser()
            found |= {"dataset": "npz", "dataset.path": str(_written(value, place / ".arrays"))}
        elif key not in _GROUPS:
            found[key] = value
        elif isinstance(value, list | tuple):
            found[key] = [_name(key, one) for one in value]
        else:
            found[key] = _name(key, value)
    return found


def _name(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return value
    from cl_bench.run.classes import BASES

    base = BASES[_GROUPS[key]]
    if not (isinstance(value, type) and issubclass(value, base)):
        given = value.__name__ if isinstance(value, type) else f"an object ({type(value).__name__})"
        wanted = "nn.Module" if base.__name__ == "Module" else base.__name__
        raise UsageError(f"{key}: takes a name or a class derived from {wanted}, not {given}")
    if not re.fullmatch(r"[A-Za-z0-9_]+", value.__name__):
        raise UsageError(f"{key}: the name of the class {value.__name__} has other than A-Z, 0-9")
    from cl_bench.config import registry

    registry.register(_GROUPS[key], value.__name__, value)
    return value.__name__


def _written(given: Mapping[str, Any], folder: Path) -> Path:
    """The arrays as a file of ``dataset=npz``."""
    import numpy as np

    from cl_bench.config.schema import similar
    from cl_bench.files.atomic import write_atomic

    for key in given:
        if key not in _KEYS:
            raise UsageError(
                f"dataset: has no array {key}{similar(key, _KEYS)} (arrays: {', '.join(_KEYS)})"
            )
    arrays = {key: _array(key, value) for key, value in given.items() if value is not None}
    for key in ("x", "y"):
        if key not in arrays:
            raise UsageError(f"dataset: needs the array {key} (arrays: {', '.join(_KEYS)})")
    for key, value in arrays.items():
        inputs = "x_test" if key.endswith("_test") else "x"
        if inputs not in arrays or len(value) != len(arrays[inputs]):
            raise UsageError(f"dataset: {key} has {len(value)} samples, {inputs} must have as many")
    parts: dict[str, Any] = _parts(arrays)
    digest = hashlib.sha256()
    for key, array in sorted(parts.items()):
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    path = folder / f"{digest.hexdigest()[:16]}.npz"
    if not path.exists():
        content = io.BytesIO()
        np.savez(content, **parts)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content.getvalue())
    return path


def _array(key: str, value: Any) -> np.ndarray:
    """``value`` as an array that needs no pickle; text of any kind becomes text of NumPy's."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype == object:
        array = array.astype(str)
    if not key.startswith("x") or array.dtype in (np.uint8, np.float32):
        return array
    if array.dtype.kind not in "iufb":
        raise UsageError(f"dataset: {key} must hold numbers, it holds {array.dtype}")
    return array.astype(np.float32)


def _parts(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Under the names of ``dataset=npz``, with a test set."""
    import numpy as np

    short = {"x": "x", "y": "y", "task": "t"}
    if "x_test" in arrays:
        if ("task" in arrays) != ("task_test" in arrays) or "y_test" not in arrays:
            raise UsageError("dataset: a test set needs x_test, y_test and, with task, task_test")
        return {
            f"{new}_{part}": arrays[f"{key}{suffix}"]
            for part, suffix in (("train", ""), ("test", "_test"))
            for key, new in short.items()
            if f"{key}{suffix}" in arrays
        }
    words = zip(*(arrays[key].tolist() for key in ("y", "task") if key in arrays), strict=True)
    seen: dict[Any, int] = {}
    test = np.zeros(len(arrays["y"]), dtype=bool)
    for row, kind in enumerate(words):
        seen[kind] = seen.get(kind, 0) + 1
        test[row] = seen[kind] % EVERY == 0
    return {
        f"{short[key]}_{part}": array[rows]
        for key, array in arrays.items()
        for part, rows in (("train", ~test), ("test", test))
    }
