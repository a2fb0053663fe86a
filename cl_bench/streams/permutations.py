"""Permutations: every task shows the same images with its own fixed shuffle of the pixels.

Source: Lopez-Paz & Ranzato 2017, section 4 ("MNIST permutations"); the first task is shuffled too.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from cl_bench.rng import generator
from cl_bench.streams.base import Stream
from cl_bench.streams.task import Task
from cl_bench.streams.transforms import Gather


class Permutations(Stream):
    """T pixel permutations of one dataset; all classes in every task."""

    shares_classes = True

    def make_tasks(self) -> Iterator[Task]:
        pixels = self.train.images[0].numel()
        for index in range(self.settings.tasks):
            order = torch.randperm(pixels, generator=generator(self.settings.seed, "tasks", index))
            yield Task(
                index=index,
                identity=index,
                name=f"permutation {index + 1}",
                classes=tuple(range(self.classes)),
                transform=Gather(order.to(self.train.images.device)),
                train=self.draw_samples(index),
            )
