"""Pictures turned by angles that are to be told: numbers as targets, some classes a task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.rng import generator
from cl_bench.streams.base import Stream
from cl_bench.streams.split import Split
from cl_bench.streams.task import StreamSettings, Task
from cl_bench.streams.transforms import Plain, turned


@dataclass(frozen=True)
class TurnedBefore(Plain):
    """Pictures that were turned when the stream was made: ``degrees`` (N,) float64, of the training
    and of the test set."""

    degrees: tuple[Tensor, Tensor]

    def describe(self) -> bytes:
        return b"".join(part.numpy().tobytes() for part in self.degrees)


class Angles(Stream):
    """Every picture turned counter-clockwise by its own angle, uniform in ±``max_degrees``; the
    target (1,) is the angle over ``max_degrees``, in [-1, 1].

    The classes of the dataset, in their order, make ``tasks`` equal parts. Each picture, of the
    test set too, is shown at ``views`` angles, drawn by ``dataset.seed``.
    """

    class Settings(StreamSettings):
        max_degrees: float = Field(gt=0, le=180, description="angles lie between minus and plus it")
        views: int = Field(ge=1, le=100, description="angles at which each picture is shown")

    settings: Settings
    shares_classes = True
    targets = frozenset({"regression"})

    def make_tasks(self) -> Iterator[Task]:
        self._check()
        tasks, device = self.settings.tasks, self.train.images.device
        data, self.classes = self.data, 1
        shown = [
            self._shown("train", data.train_images, device),
            self._shown("test", data.test_images, device),
        ]
        (self.train, of_train), (self.test, of_test) = shown
        transform = TurnedBefore((of_train, of_test))
        train, test = (
            torch.from_numpy(np.repeat(labels, self.settings.views))
            for labels in (data.train_labels, data.test_labels)
        )
        size = data.classes // tasks
        for identity in range(tasks):
            first, last = identity * size, (identity + 1) * size - 1
            mine = [
                ((first <= half) & (half <= last)).nonzero().flatten() for half in (train, test)
            ]
            yield Task(
                index=identity,
                identity=identity,
                name=f"class {first}" if first == last else f"classes {first}-{last}",
                classes=(0,),
                transform=transform,
                train=self.draw_samples(identity, mine[0]),
                test=mine[1].to(device),
            )

    def _shown(
        self, half: Literal["train", "test"], images: np.ndarray, device: torch.device
    ) -> tuple[Split, Tensor]:
        """The pictures, each ``views`` times in a row and turned, with their targets, and the
        degrees (N,)."""
        count = len(images) * self.settings.views
        draw = generator(self.settings.seed, "tasks", "angles", half)
        share = 2 * torch.rand(count, generator=draw, dtype=torch.float64) - 1
        degrees = share * self.settings.max_degrees
        pictures = turned(
            torch.from_numpy(images).repeat_interleave(self.settings.views, 0), degrees
        )
        return Split(pictures.numpy(), share.float()[:, None].numpy(), device), degrees

    def _check(self) -> None:
        s = self.settings
        if self.data.classes % s.tasks:
            raise UsageError(
                f"dataset.tasks={s.tasks}: does not divide {self.data.classes} classes of "
                f"{self.data.name} equally"
            )
        if len(self.input_shape) < 2 or self.input_shape[-1] != self.input_shape[-2]:
            raise UsageError(
                f"{s.name}: turns square pictures, a sample of {self.data.name} has shape "
                f"{self.input_shape}"
            )
        if s.augment != "none":
            raise UsageError(
                f"dataset.augment={s.augment}: mirrors pictures, whose angles it does not know; "
                "set it to none"
            )
