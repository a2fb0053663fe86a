"""Classes that turn: two at a time, every image a little further than the one before.

Source: Buzzega et al. 2020 (DER, arXiv:2004.07211), "MNIST-360", their general continual learning:
both the classes and their angles drift, and nothing marks a boundary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.rng import generator
from cl_bench.streams.base import Stream
from cl_bench.streams.split import Split
from cl_bench.streams.task import StreamSettings, Task, Transform
from cl_bench.streams.transforms import gather, nearest_rotations, to_unit

BLOCK = 1000  # images that are turned at a time


class TurnedSplit(Split):
    """The images ``rows`` (n,) of a dataset, each with its own angle: ``degrees`` float64 (n,)."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        rows: Tensor,
        degrees: Tensor,
        device: torch.device,
    ) -> None:
        super().__init__(images[rows.numpy()], labels[rows.numpy()], device)
        self.rows, self.degrees = rows, degrees


class Turned(Transform):
    """Every image turned counter-clockwise by its own angle, as Pillow's ``Image.rotate`` does."""

    def __init__(self, train: TurnedSplit, test: TurnedSplit) -> None:
        self.splits = train, test

    def __call__(self, split: Split, rows: slice | Tensor) -> Tensor:
        assert isinstance(split, TurnedSplit)  # the stream has no others
        images = split.take(rows)
        degrees = split.degrees[rows if isinstance(rows, slice) else rows.cpu()]
        turned = torch.empty_like(images)
        for start in range(0, len(images), BLOCK):
            part = slice(start, start + BLOCK)
            plans = nearest_rotations(images.shape[1:], degrees[part].tolist()).to(images.device)
            flat = torch.nn.functional.pad(images[part].flatten(1), (0, 1))
            turned[part] = gather(flat, plans).view_as(turned[part])
        return to_unit(turned)

    def describe(self) -> bytes:
        parts = [part for split in self.splits for part in (split.rows, split.degrees)]
        return b"".join(part.numpy().tobytes() for part in parts)


class Turning(Stream):
    """The pairs of classes (0, 1), (1, 2), ..., (C-1, 0), ``rounds`` times over: one task.

    A class is in two pairs of a round; its images are cut in 2·``rounds`` parts, of which each of
    its pairs takes the last that is left. A batch has as much of either class as is left of its
    part, in proportion; where one part ends, so does the batch, and the next pair begins. Class j
    begins at (j - 1)·180/``rounds`` degrees and turns by 360/n with every of its n images. Test
    image i of a class's n is turned by i·360/n degrees.

    ``draw``: ``with_replacement`` takes each image at random from all of the part (the authors'
    code), ``once`` shows every image of it once. ``shuffled``: the same images at the same angles
    in random order and full batches, so that nothing drifts: an upper reference.
    """

    class Settings(StreamSettings):
        classes: int = Field(ge=2, description="C, the first classes of the dataset")
        rounds: int = Field(ge=1, description="times that all pairs of classes are learned")
        draw: Literal["with_replacement", "once"] = Field(
            description="images of a part: drawn anew each time (authors' code), or each once"
        )
        shuffled: bool = Field(
            description="true: the same images in random order, the upper reference"
        )

    settings: Settings
    shares_classes = True

    def make_tasks(self) -> Iterator[Task]:
        self._check()
        rows, degrees = self._shown()
        data, device = self.data, self.train.images.device
        self.train = TurnedSplit(data.train_images, data.train_labels, rows, degrees, device)
        self.test = TurnedSplit(data.test_images, data.test_labels, *self._tested(), device)
        yield Task(
            index=0,
            identity=0,
            name=f"classes 0-{self.settings.classes - 1}, turning",
            classes=tuple(range(self.settings.classes)),
            transform=Turned(self.train, self.test),
            train=torch.arange(len(rows)),
        )

    def batch_sizes(self, task: Task) -> list[int]:
        return super().batch_sizes(task) if self.settings.shuffled else self._sizes

    def _train_order(self, task: Task, epoch: int) -> Tensor:
        if self.settings.shuffled:
            return super()._train_order(task, epoch)
        return torch.arange(len(task.train))

    def _check(self) -> None:
        s = self.settings
        if s.tasks != 1:
            raise UsageError(f"dataset.tasks={s.tasks}: {s.name} is one task; set it to 1")
        if s.validation:
            raise UsageError(
                f"dataset.validation={s.validation}: {s.name} has its samples in the order of time "
                "and holds none out; set it to 0"
            )
        if s.classes > self.data.classes:
            raise UsageError(
                f"dataset.classes={s.classes}: {self.data.name} has only {self.data.classes}"
            )
        if len(self.input_shape) < 2:
            raise UsageError(
                f"{s.name}: turns pictures, a sample of {self.data.name} has shape "
                f"{self.input_shape}"
            )

    def _shown(self) -> tuple[Tensor, Tensor]:
        """Rows and degrees (n,) of the training images in the order of time; sets the sizes of
        the batches."""
        s, labels = self.settings, torch.as_tensor(self.data.train_labels)
        drawn = self.draw_samples(0, (labels < s.classes).nonzero().flatten())
        own = [drawn[labels[drawn] == label] for label in range(s.classes)]
        if (least := min(map(len, own))) < 2 * s.rounds:
            raise UsageError(
                f"{s.name}: a class has {least} training samples, fewer than the {2 * s.rounds} "
                f"parts of dataset.rounds={s.rounds}; give it more samples or fewer rounds"
            )
        parts = [list(rows.tensor_split(2 * s.rounds)) for rows in own]
        anew = generator(self.seed, "order", 0, "anew")
        taken: list[list[Tensor]] = [[] for _ in own]
        classes: list[int] = []
        self._sizes: list[int] = []
        for first in [*range(s.classes)] * s.rounds:
            pair = first, (first + 1) % s.classes
            held = [parts[label].pop() for label in pair]
            shares = shared([len(part) for part in held], s.batch_size)
            for label, part, counts in zip(pair, held, zip(*shares, strict=True), strict=True):
                if s.draw == "with_replacement":
                    part = part[torch.randint(len(part), (len(part),), generator=anew)]
                taken[label].append(part[: sum(counts)])
            self._sizes += [sum(counts) for counts in shares]
            for counts in shares:
                classes += [pair[0]] * counts[0] + [pair[1]] * counts[1]
        of_class = torch.tensor(classes)
        rows = torch.empty(len(classes), dtype=torch.int64)
        degrees = torch.empty(len(classes), dtype=torch.float64)
        for label, images in enumerate(own):
            chosen = of_class == label
            rows[chosen] = torch.cat(taken[label])
            begin, count = (label - 1) * 180 / s.rounds, int(chosen.sum())
            turns = torch.arange(count, dtype=torch.float64) * (360 / len(images))
            degrees[chosen] = (begin + turns) % 360
        return rows, degrees

    def _tested(self) -> tuple[Tensor, Tensor]:
        """Rows and degrees (n,) of the test images, class by class."""
        labels, rows, degrees = torch.as_tensor(self.data.test_labels), [], []
        for label in range(self.settings.classes):
            rows.append((labels == label).nonzero().flatten())
            count = len(rows[-1])
            degrees.append(torch.arange(count, dtype=torch.float64) * (360 / max(count, 1)))
        return torch.cat(rows), torch.cat(degrees)


def shared(left: Sequence[int], size: int) -> list[tuple[int, int]]:
    """The batches of two parts with so many samples ``left``: of each how many, in proportion to
    what is left, until there is nothing left of one."""
    one, two = left
    batches = []
    while one > 0 and two > 0:
        first = min(round(one / (one + two) * size), one)
        second = min(size - first, two)
        batches.append((first, second))
        one, two = one - first, two - second
    return batches
