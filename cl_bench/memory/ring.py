"""A ring per task: the last samples of every task, an equal share each (GEM's memory).

Source: Lopez-Paz & Ranzato 2017, section 3: with T known tasks each gets m = M/T; with T unknown
"m can be gradually reduced as we observe new tasks".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.config.schema import Section
from cl_bench.errors import UsageError
from cl_bench.memory.base import Memory


class Ring(Memory):
    """``share`` samples for each task, in one tensor; task k's occupy rows k·share onwards.

    ``tasks: known`` fixes the share at M // T; ``growing`` gives each of k tasks seen M // k and
    keeps the newest samples of the older ones. With ``authors_cursor`` one write position serves
    all tasks and is never reset, and a batch that reaches the end of the ring is cut off there,
    as in the GEM authors' code.
    """

    abilities = frozenset({"stream", "task blocks"})
    kept = ("share", "counts", "cursors")
    needs = frozenset({"identity in training"})

    class Settings(Section):
        size: int = Field(ge=1)
        tasks: Literal["known", "growing"]
        authors_cursor: bool

    def __init__(
        self,
        settings: Settings,
        tasks: int,
        input_shape: tuple[int, ...],
        device: torch.device,
    ) -> None:
        self.growing = settings.tasks == "growing"
        self.authors_cursor = settings.authors_cursor
        self.size = settings.size
        self.share = settings.size if self.growing else settings.size // tasks
        if settings.size < tasks:
            raise UsageError(
                f"memory.size={settings.size}: less than one sample for each of {tasks} tasks; "
                f"give it at least {tasks}"
            )
        if self.growing and self.authors_cursor:
            raise UsageError("memory.authors_cursor=true needs memory.tasks=known")
        rows = settings.size if self.growing else tasks * self.share
        self.make_room(rows, input_shape, device)
        self.counts: list[int] = []  # samples held of each task seen
        self.cursors: list[int] = []  # next row to write in each task's share

    def add(
        self,
        x: Tensor,
        y: Tensor,
        task: int,
        generator: torch.Generator | None = None,
        **columns: Tensor,
    ) -> None:
        while len(self.counts) <= task:
            self._open_share()
        end = min(len(y), self.share - self.cursors[task]) if self.authors_cursor else len(y)
        chosen = slice(max(0, end - self.share), end)
        count = chosen.stop - chosen.start
        offset = torch.arange(self.cursors[task], self.cursors[task] + count)
        rows = (task * self.share + offset % self.share).to(self.device)
        self.write(rows, x, y, columns, chosen)
        self.cursors[task] = (self.cursors[task] + count) % self.share
        self.counts[task] = min(self.counts[task] + count, self.share)

    @property
    def tasks(self) -> range:
        """Indices of the tasks that have a share."""
        return range(len(self.counts))

    def blocks(self, tasks: Sequence[int]) -> tuple[Tensor, Tensor, list[int]]:
        """x (n, share, *input_shape), y (n, share, ...) of n tasks, and their counts.

        The first ``counts[k]`` entries of row k are samples, the rest is padding. Views of the
        first tasks, no copies, unless the authors' cursor left a share with a gap in front.
        """
        x, y = (part.unflatten(0, (-1, self.share)) for part in self._shares())
        first = list(tasks) == list(range(len(tasks)))
        rows = slice(len(tasks)) if first else torch.tensor(tasks, device=y.device)
        x, y, counts = x[rows], y[rows], [self.counts[task] for task in tasks]
        if self.authors_cursor and min(counts) < self.share:
            # written rows are the last ``count`` before the cursor
            back = torch.tensor([self.cursors[task] for task in tasks]) - torch.tensor(counts)
            order = (back[:, None] + torch.arange(self.share)) % self.share
            order = order.to(y.device)
            x, y = (
                torch.stack([a[o] for a, o in zip(part, order, strict=True)]) for part in (x, y)
            )
        return x, y, counts

    def _shares(self) -> tuple[Tensor, Tensor]:
        """The storage of the tasks seen: a growing memory's may have rows left over."""
        used = len(self.counts) * self.share
        return self.x[:used], self.y[:used]

    def __len__(self) -> int:
        return sum(self.counts)

    def rows(self) -> Tensor:
        # a share's rows are the last ``count`` before its cursor
        counts = torch.tensor(self.counts, dtype=torch.int64)
        cursors = torch.tensor(self.cursors, dtype=torch.int64)
        offset = torch.arange(self.share)
        held = offset < counts[:, None]
        shares = torch.arange(len(self.counts))[:, None] * self.share
        return (shares + ((cursors - counts)[:, None] + offset) % self.share)[held]

    def task_ids(self, rows: Tensor) -> Tensor:
        return rows // self.share

    def _open_share(self) -> None:
        self.counts.append(0)
        self.cursors.append(self.cursors[-1] if self.authors_cursor and self.cursors else 0)
        if self.growing:
            self._shrink(self.size // len(self.counts))

    def _shrink(self, share: int) -> None:
        """Give every task ``share`` rows; each keeps its newest samples, oldest first."""
        for task, count in enumerate(self.counts):
            kept = min(count, share)
            newest = torch.arange(self.cursors[task] - kept, self.cursors[task]) % self.share
            # a smaller share lies further in front: nothing is written over before it was moved
            rows = (task * self.share + newest).to(self.device)
            self.move(rows, slice(task * share, task * share + kept))
            self.counts[task], self.cursors[task] = kept, kept % share
        self.share = share
