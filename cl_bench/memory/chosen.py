"""A memory whose rows the method chooses: it fills up, then samples are replaced by name of row."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.config.schema import Section
from cl_bench.memory.base import Memory


class Chosen(Memory):
    """The first ``size`` samples offered; after that nothing changes but by :meth:`replace`."""

    abilities = frozenset({"chosen rows"})
    kept = ("task", "count")

    class Settings(Section):
        size: int = Field(ge=1)

    def __init__(
        self,
        settings: Settings,
        tasks: int,
        input_shape: tuple[int, ...],
        device: torch.device,
    ) -> None:
        self.make_room(settings.size, input_shape, device)
        self.task = torch.zeros(settings.size, dtype=torch.int64, device=device)
        self.count = 0

    @property
    def free(self) -> int:
        """Rows that hold nothing yet."""
        return len(self.y) - self.count

    def add(
        self,
        x: Tensor,
        y: Tensor,
        task: int,
        generator: torch.Generator | None = None,
        **columns: Tensor,
    ) -> None:
        kept = min(len(y), self.free)
        rows = torch.arange(self.count, self.count + kept, device=self.device)
        self.replace(rows, x[:kept], y[:kept], task, **{k: v[:kept] for k, v in columns.items()})
        self.count += kept

    def replace(self, rows: Tensor, x: Tensor, y: Tensor, task: int, **columns: Tensor) -> None:
        """The samples x (n, *input_shape), y (n,) take the place of what ``rows`` (n,) hold."""
        rows = rows.to(self.device)
        self.write(rows, x, y, columns, slice(None))
        self.task[rows] = task

    def __len__(self) -> int:
        return self.count

    def rows(self) -> Tensor:
        return torch.arange(self.count)

    def task_ids(self, rows: Tensor) -> Tensor:
        return self.task[rows.to(self.device)].to(rows.device)
