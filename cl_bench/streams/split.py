"""One half of a dataset, training or test, on the run's device."""

from __future__ import annotations

import warnings
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


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
    def columns(self) -> Tensor:
        """Positions (d,) in flat images of what is not zero in all of them."""
        return self.images.flatten(1).any(0).nonzero().flatten()

    @cached_property
    def in_columns(self) -> Tensor:
        """The flat images without the rest, (N, d)."""
        return self.images.flatten(1).index_select(1, self.columns)
