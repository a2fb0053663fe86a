"""A ring per class of every task: the last samples of each, an equal share each.

Source: the ring buffer of Chaudhry et al. 2019 (arXiv:1902.10486) and of A-GEM (arXiv:1812.00420).
"""

from __future__ import annotations

from typing import Any

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
        self.x = torch.zeros(rings * self.share, *input_shape, device=device)
        self.y = torch.zeros(rings * self.share, dtype=torch.int64, device=device)
        self.offered = torch.zeros(rings, dtype=torch.int64)  # samples each ring has been given
        self.ring_of: dict[tuple[int, int], int] = {}  # (task, label) -> ring

    def add(
        self, x: Tensor, y: Tensor, task: int, generator: torch.Generator | None = None
    ) -> None:
        for label in y.unique().tolist():
            ring = self._ring(task, label)
            batch = (y == label).nonzero().flatten()
            end = int(self.offered[ring]) + len(batch)
            batch = batch[-self.share :]
            rows = ring * self.share + torch.arange(end - len(batch), end) % self.share
            rows = rows.to(self.y.device)
            self.x[rows], self.y[rows] = x[batch], y[batch]
            self.offered[ring] = end

    def __len__(self) -> int:
        return int(self.offered.clamp(max=self.share).sum())

    def rows(self) -> Tensor:
        # a ring is filled from its first row on
        held = torch.arange(self.share) < self.offered[:, None]
        return held.flatten().nonzero().flatten()

    def task_ids(self, rows: Tensor) -> Tensor:
        return rows // (self.share * self.classes)

    def state_dict(self) -> dict[str, Any]:
        rings = [[*pair, ring] for pair, ring in self.ring_of.items()]
        return {"x": self.x, "y": self.y, "offered": self.offered, "rings": rings}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.x.copy_(state["x"])
        self.y.copy_(state["y"])
        self.offered.copy_(state["offered"])
        self.ring_of = {(task, label): ring for task, label, ring in state["rings"]}

    def _ring(self, task: int, label: int) -> int:
        ring = self.ring_of.get((task, label))
        if ring is None:
            taken = sum(task_id == task for task_id, _ in self.ring_of)
            if taken == self.classes:
                raise RunError(
                    f"task {task + 1} shows more than memory.classes={self.classes} classes; "
                    "set memory.classes to the number of classes of a task"
                )
            ring = self.ring_of[task, label] = task * self.classes + taken
        return ring
