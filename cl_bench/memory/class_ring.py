"""A ring per class of every task: the last samples of each, an equal share each.

Source: the ring buffer of Chaudhry et al. 2019 (arXiv:1902.10486) and of A-GEM (arXiv:1812.00420).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.config.schema import Section
from cl_bench.errors import RunError, UsageError
from cl_bench.memory.base import Memory


class ClassRing(Memory):
    """``share`` = size // (tasks · classes) samples, first in, first out, of each task's classes.

    ``classes`` is the number of classes of one task. The classes of task k take the rings from
    k·classes onwards, in the order in which they show up.
    """

    abilities = frozenset({"stream"})
    kept = ("offered", "rings")
    needs = frozenset({"identity in training", "classes"})

    class Settings(Section):
        size: int = Field(ge=1)
        classes: int = Field(ge=1)

    def __init__(
        self,
        settings: Settings,
        tasks: int,
        input_shape: tuple[int, ...],
        device: torch.device,
    ) -> None:
        self.classes = settings.classes
        rings = tasks * settings.classes
        self.share = settings.size // rings
        if not self.share:
            raise UsageError(
                f"memory.size={settings.size}: less than one sample for each of {rings} classes "
                f"({tasks} tasks of {settings.classes}); give it at least {rings}"
            )
        self.make_room(rings * self.share, input_shape, device)
        self.offered = torch.zeros(rings, dtype=torch.int64)  # samples each ring has been given
        self.rings: list[list[int]] = []  # task, label and number of every ring in use

    def add(
        self,
        x: Tensor,
        y: Tensor,
        task: int,
        generator: torch.Generator | None = None,
        **columns: Tensor,
    ) -> None:
        for label in y.unique().tolist():
            ring = self._ring(task, label)
            batch = (y == label).nonzero().flatten()
            end = int(self.offered[ring]) + len(batch)
            batch = batch[-self.share :]
            rows = ring * self.share + torch.arange(end - len(batch), end) % self.share
            self.write(rows.to(self.device), x, y, columns, batch)
            self.offered[ring] = end

    def __len__(self) -> int:
        return int(self.offered.clamp(max=self.share).sum())

    def rows(self) -> Tensor:
        # a ring is filled from its first row on
        held = torch.arange(self.share) < self.offered[:, None]
        return held.flatten().nonzero().flatten()

    def task_ids(self, rows: Tensor) -> Tensor:
        return rows // (self.share * self.classes)

    def _ring(self, task: int, label: int) -> int:
        of_task = {known: ring for task_id, known, ring in self.rings if task_id == task}
        if label not in of_task:
            if len(of_task) == self.classes:
                raise RunError(
                    f"task {task + 1} shows more than memory.classes={self.classes} classes; "
                    "set memory.classes to the number of classes of a task"
                )
            of_task[label] = task * self.classes + len(of_task)
            self.rings.append([task, label, of_task[label]])
        return of_task[label]
