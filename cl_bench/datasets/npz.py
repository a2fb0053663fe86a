"""Own data: one ``.npz`` file with x_train, y_train, x_test, y_test, optional t_train, t_test."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cl_bench.datasets import Arrays
from cl_bench.errors import UsageError
from cl_bench.files.bounds import check_regular, free_memory
from cl_bench.files.untrusted import clean

NEEDED = ("x_train", "y_train", "x_test", "y_test")
TASKS = ("t_train", "t_test")
LONGEST = 80  # characters of a name
ROUNDING = {2: 0.07}  # of a level, by the bytes of a float (any other: 1e-3)


Target = Annotated[
    Literal["classes", "regression"], Field(description="what y are: classes, or any numbers")
]


def load(path: str | None, target: Target = "classes") -> Arrays:
    """Checked arrays: x (N, ...) uint8, or floats of any range that are shown as they are.

    Floats that are exactly the 256 levels of a picture in [0, 1] are kept as these levels.
    Labels and tasks are whole numbers from 0 without a gap in the training data, or text: classes
    are then numbered in the order of their sorted names, tasks in that of their first sample. The
    file is read without pickle, so it cannot hold code. ``target: regression``: y are any numbers,
    (N,) or (N, K), shown as they are.
    """
    if path is None:
        raise UsageError("dataset=npz: give the file with dataset.path=FILE.npz")
    file = Path(path).expanduser()
    if not file.exists():
        raise UsageError(f"dataset.path={path}: no such file")
    arrays = read_arrays(file, (*NEEDED, *TASKS))
    if missing := [key for key in NEEDED if key not in arrays]:
        raise UsageError(f"{file}: has no array {missing[0]} (needs {', '.join(NEEDED)})")
    numbers = target == "regression"
    _check_pairs(file, arrays, numbers)
    digest = hashlib.sha256()
    for key, array in arrays.items():
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    class_names: tuple[str, ...] = ()
    if numbers:
        labels = [_targets(file, f"y_{part}", arrays[f"y_{part}"]) for part in ("train", "test")]
        classes = labels[0].shape[1]
    else:
        labels, class_names = _numbered(file, arrays, "y", "label")
        classes = int(labels[0].max()) + 1
    tasks: list[np.ndarray] | list[None] = [None, None]
    task_names: tuple[str, ...] = ()
    if "t_train" in arrays:
        tasks, task_names = _numbered(file, arrays, "t", "task")
    train, test = _inputs(file, arrays)
    return Arrays(
        clean(file.name),
        train,
        labels[0],
        test,
        labels[1],
        classes,
        digest.hexdigest(),
        str(file),
        train_tasks=tasks[0],
        test_tasks=tasks[1],
        class_names=class_names,
        task_names=task_names,
    )


def read_arrays(file: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Those of the arrays that a ``.npz`` file has, read without pickle; :class:`UsageError`."""
    try:
        check_regular(file)
        if not zipfile.is_zipfile(file):
            raise ValueError("it is not a .npz file")
        _check_room(file, keys)
        with np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in keys if key in archive}
        if wrong := [key for key, value in arrays.items() if not isinstance(value, np.ndarray)]:
            raise ValueError(f"{wrong[0]} is no array")
    except Exception as error:  # NumPy, zipfile and zlib have many kinds for a damaged file
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{file}: cannot be read as plain arrays of a .npz file: {reason}"
        ) from None
    return arrays


def _check_room(file: Path, keys: Sequence[str]) -> None:
    """``ValueError`` for arrays that no memory holds: a small file can unfold to gigabytes."""
    wanted = {f"{key}.npy" for key in keys}
    with zipfile.ZipFile(file) as archive:
        size = sum(info.file_size for info in archive.infolist() if info.filename in wanted)
    if (free := free_memory()) is not None and size > free:
        raise ValueError(
            f"its arrays take {size / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free"
        )


def _check_pairs(file: Path, arrays: dict[str, np.ndarray], numbers: bool) -> None:
    """Arrays that belong together have shapes that fit."""
    if ("t_train" in arrays) != ("t_test" in arrays):
        raise UsageError(f"{file}: has one of t_train and t_test; give both or neither")
    for part in ("train", "test"):
        x = arrays[f"x_{part}"]
        if x.ndim < 2 or x.size == 0:
            raise UsageError(
                f"{file}: x_{part} has shape {x.shape}; it must be (N, ...), not empty"
            )
        for kind in ("y", "t"):
            values = arrays.get(f"{kind}_{part}")
            if values is None or values.shape == (len(x),):
                continue
            several = numbers and kind == "y"  # numbers a sample
            if not (several and values.ndim == 2 and len(values) == len(x) and values.size):
                shapes = f"({len(x)},)" + f" or ({len(x)}, K)" * several
                raise UsageError(
                    f"{file}: {kind}_{part} has shape {values.shape}; x_{part} needs {shapes}"
                )
    if numbers and arrays["y_train"].shape[1:] != arrays["y_test"].shape[1:]:
        raise UsageError(f"{file}: y_train and y_test have another number of numbers a sample")
    if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        raise UsageError(
            f"{file}: samples of x_train are {arrays['x_train'].shape[1:]}, those of x_test "
            f"{arrays['x_test'].shape[1:]}; they must have one shape"
        )


def _inputs(file: Path, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """x of both parts: uint8 if both are levels of a picture, else float32."""
    parts = [arrays[f"x_{part}"] for part in ("train", "test")]
    for x, part in zip(parts, ("train", "test"), strict=True):
        check_inputs(x, f"{file}: x_{part}")
    levels = [as_levels(x) for x in parts]
    if all(x is not None for x in levels):
        return levels
    if any(x.dtype == np.uint8 for x in parts):
        raise UsageError(
            f"{file}: one of x_train and x_test is uint8, the other has floats that are no levels "
            "of a picture; give both the same type"
        )
    return [x.astype(np.float32) for x in parts]


def check_inputs(x: np.ndarray, name: str) -> None:
    """A :class:`UsageError` for what is neither uint8 nor floats that float32 can hold."""
    if x.dtype == np.uint8:
        return
    if not np.issubdtype(x.dtype, np.floating):
        raise UsageError(f"{name} is {x.dtype}; it must be uint8 or floats")
    if not np.isfinite(x).all():
        raise UsageError(f"{name} has values that are not finite (NaN or infinity)")
    if max(x.max(), -x.min()) > np.finfo(np.float32).max:
        raise UsageError(f"{name} has values beyond those of float32; scale them down")


def as_levels(x: np.ndarray) -> np.ndarray | None:
    """x as the uint8 levels of a picture; None if it is floats of any other kind."""
    if x.dtype == np.uint8:
        return x
    if x.min() < 0 or x.max() > 1:
        return None
    scaled = x.astype(np.float64) * 255
    levels = np.rint(scaled)
    if np.abs(scaled - levels).max() > ROUNDING.get(x.dtype.itemsize, 1e-3):
        return None
    return levels.astype(np.uint8)


def _targets(file: Path, key: str, values: np.ndarray) -> np.ndarray:
    """Numbers float32 (N, K)."""
    if values.dtype.kind not in "iuf":
        raise UsageError(f"{file}: {key} is {values.dtype}; it must be numbers")
    with np.errstate(over="ignore"):
        found = values.astype(np.float32).reshape(len(values), -1)
    if not np.isfinite(found).all():
        raise UsageError(f"{file}: {key} has values that float32 cannot hold (or NaN, infinity)")
    return found


def _numbered(
    file: Path, arrays: dict[str, np.ndarray], kind: str, what: str
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Numbers int64 of the training and the test part, and the names of those that are text."""
    train, test = (arrays[f"{kind}_{part}"] for part in ("train", "test"))
    if (train.dtype.kind in "US") != (test.dtype.kind in "US"):
        raise UsageError(
            f"{file}: one of {kind}_train and {kind}_test is text, the other is not; give both as "
            "text or both as whole numbers"
        )
    if train.dtype.kind in "US":
        texts = [_texts(file, f"{kind}_train", train), _texts(file, f"{kind}_test", test)]
        names = sorted(set(texts[0])) if kind == "y" else list(dict.fromkeys(texts[0]))
        if strange := sorted(set(texts[1]) - set(names)):
            raise UsageError(f"{file}: {kind}_test has {what} {strange[0]}, {kind}_train does not")
        numbers = {name: number for number, name in enumerate(names)}
        return [np.array([numbers[name] for name in part]) for part in texts], tuple(names)
    found = [_numbers(file, f"{kind}_{p}", v) for p, v in (("train", train), ("test", test))]
    _check_numbers(file, found, kind, what)
    return found, ()


def _texts(file: Path, key: str, values: np.ndarray) -> list[str]:
    try:
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in values.tolist()]
    except UnicodeDecodeError:
        raise UsageError(f"{file}: {key} has bytes that are no UTF-8 text") from None
    for name in set(texts):
        if not name.strip() or len(name) > LONGEST or not name.isprintable():
            raise UsageError(
                f"{file}: {key} has the name {clean(name, LONGEST)!r}; a name has 1 to {LONGEST} "
                "printable characters"
            )
    return texts


def _numbers(file: Path, key: str, values: np.ndarray) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.integer):
        raise UsageError(f"{file}: {key} is {values.dtype}; it must be whole numbers or text")
    if values.min() < 0:
        raise UsageError(f"{file}: {key} has {values.min()}; numbers start at 0")
    return values.astype(np.int64)


def _check_numbers(file: Path, numbers: list[np.ndarray], kind: str, what: str) -> None:
    """0 to n - 1 without a gap in the training part, and no other in the test part."""
    present = np.unique(numbers[0])
    if present[-1] != len(present) - 1:
        gap = next(n for n, value in enumerate(present) if n != value)
        raise UsageError(
            f"{file}: {kind}_train goes up to {what} {present[-1]} but has no {what} {gap}; "
            "number them 0, 1, 2, ... without a gap"
        )
    strange = np.setdiff1d(numbers[1], present)
    if len(strange):
        raise UsageError(f"{file}: {kind}_test has {what} {strange[0]}, {kind}_train does not")
