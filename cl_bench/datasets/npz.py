"""Own data: one ``.npz`` file with x_train, y_train, x_test, y_test, optional t_train, t_test."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cl_bench.datasets import Arrays
from cl_bench.errors import UsageError

NEEDED = ("x_train", "y_train", "x_test", "y_test")
TASKS = ("t_train", "t_test")


def load(path: str | None) -> Arrays:
    """Checked arrays: x uint8 (N, ...), or floats in [0, 1] that are rounded to 256 levels.

    Labels are whole numbers 0 to C - 1, task numbers 0 to T - 1; every one of them must occur in
    the training data. The file is read without pickle, so it cannot hold code.
    """
    if path is None:
        raise UsageError("dataset=npz: give the file with dataset.path=FILE.npz")
    file = Path(path).expanduser()
    if not file.exists():
        raise UsageError(f"dataset.path={path}: no such file")
    arrays = read_arrays(file, (*NEEDED, *TASKS))
    if missing := [key for key in NEEDED if key not in arrays]:
        raise UsageError(f"{file}: has no array {missing[0]} (needs {', '.join(NEEDED)})")
    _check_pairs(file, arrays)
    digest = hashlib.sha256()
    for key, array in arrays.items():
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    labels = {key: _numbers(file, key, arrays[key]) for key in arrays if not key.startswith("x")}
    _check_numbers(file, labels, "y", "label")
    if "t_train" in labels:
        _check_numbers(file, labels, "t", "task")
    return Arrays(
        file.name,
        _images(file, "x_train", arrays["x_train"]),
        labels["y_train"],
        _images(file, "x_test", arrays["x_test"]),
        labels["y_test"],
        int(labels["y_train"].max()) + 1,
        digest.hexdigest(),
        str(file),
        train_tasks=labels.get("t_train"),
        test_tasks=labels.get("t_test"),
    )


def read_arrays(file: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Those of the arrays that a ``.npz`` file has, read without pickle; :class:`UsageError`."""
    try:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is not a .npz file")
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


def _check_pairs(file: Path, arrays: dict[str, np.ndarray]) -> None:
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
            numbers = arrays.get(f"{kind}_{part}")
            if numbers is not None and numbers.shape != (len(x),):
                raise UsageError(
                    f"{file}: {kind}_{part} has shape {numbers.shape}; x_{part} needs ({len(x)},)"
                )
    if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        raise UsageError(
            f"{file}: samples of x_train are {arrays['x_train'].shape[1:]}, those of x_test "
            f"{arrays['x_test'].shape[1:]}; they must have one shape"
        )


def _images(file: Path, key: str, x: np.ndarray) -> np.ndarray:
    if x.dtype == np.uint8:
        return x
    if not np.issubdtype(x.dtype, np.floating):
        raise UsageError(f"{file}: {key} is {x.dtype}; it must be uint8, or floats in [0, 1]")
    if not np.isfinite(x).all():
        raise UsageError(f"{file}: {key} has values that are not finite (NaN or infinity)")
    if x.min() < 0 or x.max() > 1:
        raise UsageError(
            f"{file}: {key} has values from {x.min():g} to {x.max():g}; scale them to [0, 1]"
        )
    return np.rint(x * 255).astype(np.uint8)


def _numbers(file: Path, key: str, values: np.ndarray) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.integer):
        raise UsageError(f"{file}: {key} is {values.dtype}; it must be whole numbers")
    if values.min() < 0:
        raise UsageError(f"{file}: {key} has {values.min()}; numbers start at 0")
    return values.astype(np.int64)


def _check_numbers(file: Path, labels: dict[str, np.ndarray], kind: str, what: str) -> None:
    """0 to n - 1 without a gap in the training part, and no other in the test part."""
    present = np.unique(labels[f"{kind}_train"])
    if present[-1] != len(present) - 1:
        gap = next(n for n, value in enumerate(present) if n != value)
        raise UsageError(
            f"{file}: {kind}_train goes up to {what} {present[-1]} but has no {what} {gap}; "
            "number them 0, 1, 2, ... without a gap"
        )
    strange = np.setdiff1d(labels[f"{kind}_test"], present)
    if len(strange):
        raise UsageError(f"{file}: {kind}_test has {what} {strange[0]}, {kind}_train does not")
