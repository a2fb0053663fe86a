"""What a stream is: tasks, the batches of each, and the scenario that says which outputs count."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from cl_bench.datasets import Arrays
from cl_bench.errors import UsageError
from cl_bench.rng import generator
from cl_bench.streams.augment import CropFlip
from cl_bench.streams.normalize import Normalizer
from cl_bench.streams.order import arrange
from cl_bench.streams.split import Split
from cl_bench.streams.task import StreamSettings, Task

# Samples that are transformed at a time, and the bytes that their inputs may take. On the CPU test
# blocks are small: what a convolution makes of a large one is memory that the system hands out
# afresh each time, which takes as long as the convolution.
EVALUATION_BATCH, EVALUATION_BYTES = 2000, 3 * 2**19
PREPARED_BATCH, PREPARED_BYTES = 10_000, 2**25


class Stream(ABC):
    """T tasks on one dataset. A subclass says in :meth:`make_tasks` what the tasks are.

    ``stays`` is what is learned, in its order; ``tasks`` are the same without those that return.
    ``classes`` is the number of network outputs. Everything depends on ``settings`` and ``seed``
    alone: two methods at one seed see the same samples in the same order, on every device.
    """

    Settings: ClassVar[type[StreamSettings]] = StreamSettings
    shares_classes: ClassVar[bool] = False  # every task has all classes, whatever the data
    # the values of ``target`` that its tasks are for
    targets: ClassVar[frozenset[str]] = frozenset({"classes"})

    def __init__(
        self, settings: StreamSettings, data: Arrays, seed: int, device: torch.device
    ) -> None:
        self.settings = settings
        self.data = data
        self.seed = seed
        self.classes = data.classes
        self.input_shape: tuple[int, ...] = tuple(data.train_images.shape[1:])
        if settings.augment != "none" and len(self.input_shape) < 2:
            raise UsageError(
                f"dataset.augment={settings.augment}: is for pictures, a sample of {data.name} has "
                f"shape {self.input_shape}; set it to none"
            )
        self.train = Split(data.train_images, data.train_labels, device)
        self.test = Split(data.test_images, data.test_labels, device)
        made = tuple(self.make_tasks())
        self._transforms = {task.identity: task.transform for task in made}
        self.stays: tuple[Task, ...] = arrange(made, self.train.labels, settings)
        self.tasks: tuple[Task, ...] = tuple(task for task in self.stays if not task.visit)
        self._check_numbers()
        self.normalizer = self._normalizer()
        if self.normalizer is not None:
            self.train.images, self.test.images = map(
                self.normalizer, (self.train.images, self.test.images)
            )

    @abstractmethod
    def make_tasks(self) -> Iterator[Task]:
        """The tasks by identity 0, 1, ...; their order is made later and sets ``index``."""

    def _check_numbers(self) -> None:
        """A :class:`UsageError` unless the labels are of the kind that ``target`` says, and R² is
        defined in every task."""
        s, numbers = self.settings, self.train.labels.is_floating_point()
        if numbers != (s.target == "regression"):
            kind, other = ("numbers", "regression") if numbers else ("classes", "classes")
            raise UsageError(
                f"dataset.target={s.target}: {self.data.name} has {kind} as targets; choose "
                f"dataset.target={other} and a dataset.stream that is for it"
            )
        for half in (self.train, self.test) if numbers else ():
            if half.labels.shape != (len(half), self.classes):
                raise UsageError(
                    f"{s.name}: its numbers have the shape {tuple(half.labels.shape)}; they must "
                    f"be ({len(half)}, {self.classes}), one for each sample and output"
                )
            if not half.labels.isfinite().all():
                raise UsageError(f"{s.name}: has targets that are not finite (NaN or infinity)")
        for task in self.tasks if numbers else ():
            labels = self.test.labels if task.test is None else self.test.labels[task.test]
            if (labels == labels[0]).all(0).any():
                raise UsageError(
                    f"{s.name}: the test targets of {task.name} are one number, so that R² is not "
                    "defined; give it test samples with other targets"
                )

    def labels_of(self, task: Task) -> tuple[int, ...]:
        """The dataset's label that each network output (C,) stands for in ``task``."""
        return tuple(range(self.classes))

    def _normalizer(self) -> Normalizer | None:
        kind = self.settings.normalize
        if kind == "none":
            return None
        measured = self.tasks[:1] if self.settings.statistics == "first_task" else self.tasks
        rows = torch.cat([task.train for task in measured]).unique()
        return Normalizer.measured(kind, self.train.images, rows)

    def draw_samples(self, identity: int, available: Tensor | None = None) -> Tensor:
        """Rows (n,) that the task uses: ``samples_per_task`` of those available, drawn once."""
        count = len(self.train) if available is None else len(available)
        wanted = self.settings.samples_per_task
        if wanted is not None and wanted > count:
            raise UsageError(
                f"dataset.samples_per_task={wanted}: task {identity} of {self.settings.name} has "
                f"only {count} training samples; use that or fewer, or null for all"
            )
        rows = torch.randperm(count, generator=generator(self.seed, "order", identity))[:wanted]
        return rows if available is None else available[rows]

    def train_batches(self, task: Task, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches x float32 (b, *input_shape), y int64 (b,), of numbers float32 (b, C); they never
        cross a task's boundary.

        The first ``start`` are left out; those that follow are the same to the bit, and lie in
        memory as they would without.
        """
        sizes = self.batch_sizes(task)
        prepared = self._block(PREPARED_BATCH, PREPARED_BYTES)
        together = max(1, prepared // self.settings.batch_size)  # batches
        skipped_passes, start = divmod(start, len(sizes))
        for epoch in range(skipped_passes, self.settings.epochs):
            order = self._train_order(task, epoch)
            augment = self._augment(task, epoch)
            first, start = start // together * together, start % together
            done = sum(sizes[:first])  # samples
            for place in range(first, len(sizes), together):
                some = sizes[place : place + together]
                positions = order[done : done + sum(some)]
                rows = task.train[positions].to(self.train.labels.device)
                inputs, labels = self._inputs(task, positions, rows), self.train.labels[rows]
                if augment is not None:
                    inputs = augment(inputs, done)
                batches = zip(inputs.split(some), labels.split(some), strict=True)
                yield from islice(batches, start, None)
                start, done = 0, done + sum(some)

    def validation_batches(self, task: Task) -> Iterator[tuple[Tensor, Tensor]]:
        """The training samples that the task holds out, in large batches."""
        size = self.evaluation_block()
        for rows in task.validation.to(self.train.labels.device).split(size):
            if len(rows):
                yield task.transform(self.train, rows), self.train.labels[rows]

    def test_batches(self, task: Task) -> Iterator[tuple[Tensor, Tensor]]:
        """The task's test set in large batches, like :meth:`train_batches`."""
        for rows in self.test_rows(task):
            yield task.transform(self.test, rows), self.test.labels[rows]

    def test_rows(self, task: Task) -> list[slice | Tensor]:
        """The rows of the test set in every batch of :meth:`test_batches`."""
        count = len(self.test) if task.test is None else len(task.test)
        size = self.evaluation_block()
        blocks: list[slice | Tensor] = [
            slice(start, start + size) for start in range(0, count, size)
        ]
        return blocks if task.test is None else [task.test[block] for block in blocks]

    def first_pass(self, task: Task) -> Iterator[tuple[Tensor, Tensor]]:
        """The task's training samples in the order of its first pass, in large batches."""
        size = self.evaluation_block()
        for positions in self._train_order(task, 0).split(size):
            rows = task.train[positions].to(self.train.labels.device)
            yield self._inputs(task, positions, rows), self.train.labels[rows]

    def inputs(
        self, task: Task, split: Literal["train", "test"], labels: Sequence[int] | None = None
    ) -> Iterator[Tensor]:
        """The inputs of the task's training or test set in large batches, without labels.

        With ``labels`` those of the whole dataset that have one of these, shown as the task shows.
        """
        if labels is not None:
            half, known = (
                (self.train, self.data.train_labels)
                if split == "train"
                else (self.test, self.data.test_labels)
            )
            rows = torch.from_numpy(np.isin(known, labels).nonzero()[0]).to(half.labels.device)
            yield from (task.transform(half, part) for part in rows.split(self.evaluation_block()))
            return
        if split == "test":
            yield from (x for x, _ in self.test_batches(task))
            return
        for positions in torch.arange(len(task.train)).split(self.evaluation_block()):
            rows = task.train[positions].to(self.train.labels.device)
            yield self._inputs(task, positions, rows)

    def samples(self, task: Task) -> int:
        """Training samples that the task presents, passes counted."""
        return len(task.train) * self.settings.epochs

    def batches(self, task: Task) -> int:
        """Number of batches that :meth:`train_batches` yields."""
        return len(self.batch_sizes(task)) * self.settings.epochs

    def batch_sizes(self, task: Task) -> list[int]:
        """Samples of each batch of one pass."""
        full, rest = divmod(len(task.train), self.settings.batch_size)
        return [self.settings.batch_size] * full + [rest] * (rest > 0)

    def labels(self, task: Task, batches: int | None = None) -> Tensor:
        """Labels of the samples in the task's first ``batches`` batches, of each sample once;
        None: of all."""
        rows = task.train
        if batches is not None:
            rows = rows[self._train_order(task, 0)[: sum(self.batch_sizes(task)[:batches])]]
        return self.train.labels[rows.to(self.train.labels.device)]

    def checksum(self) -> str:
        """sha256 of data, tasks and the order of every sample; equal streams have equal sums."""
        digest = hashlib.sha256(f"{self.data.sha256} {self.classes}".encode())
        if self.settings.augment != "none":
            digest.update(self.settings.augment.encode())
        if self.normalizer is not None:
            digest.update(self.normalizer.describe())
        for task in self.stays:
            digest.update(f"{task.index} {task.identity} {task.name} {task.classes}".encode())
            digest.update(task.transform.describe())
            for epoch in range(self.settings.epochs):
                positions = self._train_order(task, epoch)
                digest.update(task.train[positions].numpy().tobytes())
                if task.task_ids is not None:
                    digest.update(task.task_ids[positions].numpy().tobytes())
            digest.update(task.validation.numpy().tobytes())
            if task.test is not None:
                digest.update(task.test.cpu().numpy().tobytes())
        return digest.hexdigest()

    def _train_order(self, task: Task, epoch: int) -> Tensor:
        """Positions (n,) in ``task.train`` in the order of one pass; every stay has its own."""
        number = task.visit * self.settings.epochs + epoch
        shuffle = generator(self.seed, "order", task.identity, number)
        return torch.randperm(len(task.train), generator=shuffle)

    def _augment(self, task: Task, epoch: int) -> CropFlip | None:
        """What happens to the samples of one pass, in their order; each pass draws anew."""
        if self.settings.augment == "none":
            return None
        number = task.visit * self.settings.epochs + epoch
        draw = generator(self.seed, "augment", task.identity, number)
        return CropFlip.drawn(len(task.train), draw)

    def _inputs(self, task: Task, positions: Tensor, rows: Tensor) -> Tensor:
        if task.task_ids is None:
            return task.transform(self.train, rows)
        task_ids = task.task_ids[positions].to(rows.device)
        inputs = torch.empty(len(rows), *self.input_shape, device=rows.device)
        for identity in task_ids.unique().tolist():
            chosen = task_ids == identity
            inputs[chosen] = self._transforms[identity](self.train, rows[chosen])
        return inputs

    def evaluation_block(self) -> int:
        """Samples that are shown at a time where none is learned."""
        on_cpu = self.test.labels.device.type == "cpu"
        return self._block(EVALUATION_BATCH, EVALUATION_BYTES if on_cpu else PREPARED_BYTES)

    def _block(self, samples: int, size: int) -> int:
        """Samples to transform at a time: so many, but inputs of no more than ``size`` bytes."""
        return max(1, min(samples, size // (4 * self.train.images[0].numel())))
