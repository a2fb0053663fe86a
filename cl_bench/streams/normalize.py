"""Inputs brought to one scale, by statistics of the training samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor

from cl_bench.streams.transforms import to_unit

BLOCK = 4096  # samples that are measured and changed at a time


@dataclass(frozen=True)
class Normalizer:
    """x ↦ (x - ``shift``) / ``scale``: each feature of (n, D), each channel of (n, C, H, W), the
    whole of (n, H, W); where it only centers, each pixel by itself.

    A feature that is the same in every sample it was measured on is shifted alone.
    """

    shift: Tensor
    scale: Tensor

    @classmethod
    def measured(
        cls, kind: Literal["standardize", "minmax", "center"], images: Tensor, rows: Tensor
    ) -> Normalizer:
        """``standardize``: mean 0 and standard deviation 1, ``minmax``: from 0 to 1, ``center``:
        less the mean sample, on ``rows`` (n,) of images (N, ...).

        In float64 on the CPU, wherever the images are: not every device has it.
        """
        if kind == "center":
            together = [0]
        else:
            together = [0, *range(2, images.dim())] if images.dim() != 3 else [0, 1, 2]
        sums, squares, low, high = [], [], [], []
        count = len(rows) * images[0].numel()
        for block in rows.to(images.device).split(BLOCK):
            x = _wide(images.index_select(0, block))
            low.append(x.amin(together, keepdim=True))
            high.append(x.amax(together, keepdim=True))
            sums.append(x.sum(together, keepdim=True))
        least, most = torch.stack(low).amin(0), torch.stack(high).amax(0)
        if kind == "minmax":
            return cls(least, torch.where(most > least, most - least, 1.0))
        mean = reduce(torch.add, sums) / (count / sums[0].numel())
        if kind == "center":
            return cls(mean, torch.ones_like(mean))
        for block in rows.to(images.device).split(BLOCK):
            x = _wide(images.index_select(0, block))
            squares.append((x - mean).square().sum(together, keepdim=True))
        scale = (reduce(torch.add, squares) / (count / mean.numel())).sqrt()
        return cls(mean, torch.where(most > least, scale, 1.0))

    def __call__(self, images: Tensor) -> Tensor:
        """float32 (n, ...) of images uint8 or float32 (n, ...)."""
        blocks = [
            ((_wide(block) - self.shift) / self.scale).float().to(images.device)
            for block in images.split(BLOCK)
        ]
        return torch.cat(blocks)

    def describe(self) -> bytes:
        """Everything that it depends on, for the stream's checksum."""
        return b"".join(t.contiguous().numpy().tobytes() for t in (self.shift, self.scale))


def _wide(images: Tensor) -> Tensor:
    """float64, on the CPU."""
    return to_unit(images).cpu().double()
