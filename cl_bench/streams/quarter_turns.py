"""A class split of images in four orientations: APD's Omniglot-rotation, 12 characters a task.

Source: Yoon et al. 2020 (APD, arXiv:1902.09432): 1,200 characters in 100 tasks; a character has
80 images, its 20 drawings turned by 0°, 90°, 180° and 270°, of which 60 train and 20 test.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.streams.class_split import ClassSplit, Parts
from cl_bench.streams.split import Split
from cl_bench.streams.task import Transform
from cl_bench.streams.transforms import gather, nearest_rotation, to_unit

TURNS = 4


class Turned(Transform):
    """Row k·N + i of a split of N images is image i, turned k quarters counter-clockwise."""

    def __call__(self, split: Split, rows: slice | Tensor) -> Tensor:
        if isinstance(rows, slice):
            rows = torch.arange(len(split), device=split.images.device)[rows]
        count, shape = len(split.images), split.images.shape[1:]
        images = torch.empty(len(rows), *shape, dtype=torch.uint8, device=rows.device)
        for turn in range(TURNS):
            chosen = (rows // count == turn).nonzero().flatten()
            plan = nearest_rotation(shape, 90 * turn).to(rows.device)
            turned = gather(split.take(rows[chosen] - turn * count).flatten(1), plan)
            images[chosen] = turned.view(-1, *shape)
        return to_unit(images)

    def describe(self) -> bytes:
        return b"quarter turns"


class QuarterTurns(ClassSplit):
    """A class split of images in four orientations; a turned image is a row, not a copy."""

    transform = Turned()

    def _parts(self) -> Parts:
        if self.input_shape[-1] != self.input_shape[-2]:
            raise UsageError(f"{self.settings.name}: quarter turns need square images")
        for split in (self.train, self.test):
            split.labels = split.labels.repeat(TURNS)
        parts = super()._parts()
        return replace(parts, train=parts.train.repeat(TURNS), test=parts.test.repeat(TURNS))
