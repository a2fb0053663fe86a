"""Rotations: every task shows the same images turned by its own angle.

Source: Lopez-Paz & Ranzato 2017, section 4 ("MNIST rotations"): the angle of task t is drawn
uniformly from bin t of [0°, 180°). The authors' code leaves the generator of the angles unseeded;
here ``dataset.seed`` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field

from cl_bench.rng import generator
from cl_bench.streams.base import Stream
from cl_bench.streams.task import StreamSettings, Task, Transform
from cl_bench.streams.transforms import Blend, Gather, bilinear_rotation, nearest_rotation


class Rotations(Stream):
    """T rotations of one dataset, counter-clockwise; all classes in every task.

    The bins divide [``min_degrees``, ``max_degrees``) equally; with ``angles: free`` every task's
    angle is drawn from all of it (Buzzega et al. 2020, arXiv:2004.07211). ``sampling: nearest``
    equals Pillow's ``Image.rotate``; ``bilinear`` blends the four nearest pixels.
    """

    class Settings(StreamSettings):
        min_degrees: float = Field(ge=-360, le=360)
        max_degrees: float = Field(ge=-360, le=360)
        # only the recipes of a protocol that has it so name it
        angles: Literal["bins", "free"] = Field(
            default="bins", description="a task's angle: from its own bin, or from all (DER's)"
        )
        sampling: Literal["nearest", "bilinear"]

    settings: Settings
    shares_classes = True

    def make_tasks(self) -> Iterator[Task]:
        low, high = self.settings.min_degrees, self.settings.max_degrees
        for index in range(self.settings.tasks):
            draw = generator(self.settings.seed, "tasks", index)
            share = torch.rand((), generator=draw, dtype=torch.float64).item()
            if self.settings.angles == "bins":
                share = (index + share) / self.settings.tasks
            degrees = low + share * (high - low)
            yield Task(
                index=index,
                identity=index,
                name=f"rotation {degrees:.2f}°",
                classes=tuple(range(self.classes)),
                transform=self._rotation(degrees),
                train=self.draw_samples(index),
            )

    def _rotation(self, degrees: float) -> Transform:
        device = self.train.images.device
        if self.settings.sampling == "nearest":
            return Gather(nearest_rotation(self.input_shape, degrees).to(device))
        plans, weights = bilinear_rotation(self.input_shape, degrees)
        return Blend(plans.to(device), weights.to(device))
