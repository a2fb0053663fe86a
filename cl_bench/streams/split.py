"""One half of a dataset, training or test, on the run's device."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# images whose products with the first layers of some networks stay in a core's cache
BLOCK = 500


class Split:
    """Images uint8 or float32 (N, ...), labels int64 (N,): the network output that is right; where
    the targets are numbers, float32 (N, C): what each output should be."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, device: torch.device) -> None:
        with warnings.catch_warnings():
            # no copy on the CPU; the arrays may be read-only views of a file, and stay as they are
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            self.images = torch.from_numpy(images).to(device)
        self.labels = torch.tensor(labels, device=device)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: slice | Tensor) -> Tensor:
        """The images of those rows, (n, ...)."""
        # many times as fast as indexing with a tensor
        return self.images[rows] if isinstance(rows, slice) else self.images.index_select(0, rows)

    @cached_property
    def blocks(self) -> list[Block]:
        """The whole split, some rows at a time, each without what is zero in all of its images.

        Images of a class are beside each other, since they leave more of their edges empty.
        """
        flat, order = self.images.flatten(1), self.labels.argsort(stable=True)
        return [_block(flat[rows], self.labels[rows]) for rows in order.split(BLOCK)]


class Block(NamedTuple):
    """Flat images (n, D) at ``columns`` (d,), all of them zero elsewhere: (n, d); labels (n,)."""

    images: Tensor
    labels: Tensor
    columns: Tensor


def _block(images: Tensor, labels: Tensor) -> Block:
    columns = images.any(0).nonzero().flatten()
    return Block(images.index_select(1, columns), labels, columns)
