"""Inputs that are not of the run's dataset: in the form of its own, shown as a task shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cl_bench.datasets.npz import check_inputs, read_arrays
from cl_bench.errors import UsageError
from cl_bench.files.bounds import sha256_of
from cl_bench.streams.split import Split

if TYPE_CHECKING:
    from cl_bench.streams.base import Stream
    from cl_bench.streams.task import Task


def read_inputs(stream: Stream, path: str) -> tuple[Callable[[Task], Iterator[Tensor]], str]:
    """The array ``x`` of a ``.npz`` file as the stream's tasks show it, in large blocks, and the
    sha256 of the file; a :class:`UsageError` for what is not of the stream's inputs."""
    file = Path(path).expanduser()
    if not file.exists():
        raise UsageError("no such file")
    arrays = read_arrays(file, ("x",))
    if "x" not in arrays:
        raise UsageError("has no array x, the inputs (n, ...) as the dataset has them")
    if arrays["x"].ndim < 2 or not len(arrays["x"]):
        raise UsageError(f"x has the shape {arrays['x'].shape}; it must be inputs (n, ...)")
    split = as_the_data(stream, arrays["x"])

    def shown(task: Task) -> Iterator[Tensor]:
        rows = torch.arange(len(split), device=split.images.device)
        return (task.transform(split, block) for block in rows.split(stream.evaluation_block()))

    return shown, sha256_of(file)


def as_the_data(stream: Stream, x: np.ndarray) -> Split:
    """x (n, *input_shape) in the type and the scale of the stream's inputs, without labels; a
    :class:`UsageError` for what it cannot be."""
    wanted = stream.train.images.shape[1:]
    if x.shape[1:] != tuple(wanted):
        raise UsageError(
            f"x has the shape {x.shape}, the run needs (n, {', '.join(map(str, wanted))})"
        )
    check_inputs(x, "x")
    images = _in_their_type(x, stream.data.train_images.dtype == np.uint8)
    split = Split(images, np.zeros(len(x), dtype=np.int64), stream.train.labels.device)
    if stream.normalizer is not None:
        split.images = stream.normalizer(split.images)
    return split


def _in_their_type(x: np.ndarray, pictures: bool) -> np.ndarray:
    if not pictures:
        if x.dtype == np.uint8:
            raise UsageError("x is uint8, the run's data are floats; give floats")
        return x.astype(np.float32)
    if x.dtype == np.uint8:
        return x
    if x.min() < 0 or x.max() > 1:
        raise UsageError("x has floats outside of [0, 1], the run's data are pictures")
    return np.rint(x * 255).astype(np.uint8)
