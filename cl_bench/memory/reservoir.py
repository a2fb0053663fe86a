"""A reservoir: a uniform sample of everything that was ever offered, whatever its task.

Source: Vitter 1985, algorithm R, as used by Riemer et al. 2019 (arXiv:1810.11910, algorithm 3).
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.config.schema import Section
from cl_bench.memory.base import Memory


class Reservoir(Memory):
    """The first ``size`` samples, then sample number N replaces a random one with odds size/N.

    The replaced position is drawn from {0, ..., N-1}. ``acceptance: authors`` draws it from
    {0, ..., N}, as MER's released code does, with odds size/(N+1); ``er_authors`` from
    {0, ..., N-2}, as the code of Chaudhry et al. 2019 (arXiv:1902.10486), with odds size/(N-1).
    """

    abilities = frozenset({"stream"})
    kept = ("task", "seen")

    class Settings(Section):
        size: int = Field(ge=1)
        acceptance: Literal["textbook", "authors", "er_authors"]

    def __init__(
        self,
        settings: Settings,
        tasks: int,
        input_shape: tuple[int, ...],
        device: torch.device,
    ) -> None:
        self.size = settings.size
        self.extra = {"textbook": 0, "authors": 1, "er_authors": -1}[settings.acceptance]
        self.seen = 0  # samples offered so far
        self.make_room(self.size, input_shape, device)
        self.task = torch.zeros(self.size, dtype=torch.int64, device=device)

    def add(
        self,
        x: Tensor,
        y: Tensor,
        task: int,
        generator: torch.Generator | None = None,
        **columns: Tensor,
    ) -> None:
        """As in the base class; a batch has the effect of its samples offered one by one."""
        if generator is None:
            raise ValueError("a reservoir needs a generator to draw what it keeps")
        free = min(max(self.size - self.seen, 0), len(y))
        position = torch.arange(self.seen, self.seen + len(y))
        if free < len(y):
            # float64 takes one draw per sample, in order, so batches and single samples agree
            u = torch.rand(len(y) - free, dtype=torch.float64, generator=generator)
            position[free:] = (u * (position[free:] + 1 + self.extra)).long()
        self.seen += len(y)
        # the newest sample of the batch wins a position that was drawn twice
        chosen = {p: i for i, p in enumerate(position.tolist()) if p < self.size}
        if chosen:
            rows = torch.tensor(list(chosen), device=self.device)
            source = torch.tensor(list(chosen.values()), device=y.device)
            self.write(rows, x, y, columns, source)
            self.task[rows] = task

    def __len__(self) -> int:
        return min(self.seen, self.size)

    def rows(self) -> Tensor:
        return torch.arange(len(self))

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.randint(len(self), shape, generator=generator)  # rows are filled in order

    def task_ids(self, rows: Tensor) -> Tensor:
        return self.task[rows.to(self.task.device)].to(rows.device)

    @property
    def bytes(self) -> int:
        return super().bytes + self.task.nbytes
