"""A few chosen samples of every class seen, an equal share each, the best first.

Source: Rebuffi et al. 2017 (arXiv:1611.07725), algorithms 4 and 5.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.config.schema import Section
from cl_bench.errors import UsageError
from cl_bench.memory.base import Memory


class Exemplars(Memory):
    """At most ``size`` samples in all; each of the classes seen may keep ``size // classes``.

    When classes arrive, every older one is cut to the new share and keeps its first exemplars:
    those were picked first, so they stand for the class best. Class i's samples follow those of
    class i-1, without gaps. ``trim: false`` lets older classes keep all of theirs, as the GEM
    authors' code does: the memory then grows beyond ``size``, to 3.6 times as much over 20 tasks.
    """

    abilities = frozenset({"class exemplars"})
    kept = ("classes", "tasks", "counts")
    needs = frozenset({"identity in training", "classes"})

    class Settings(Section):
        size: int = Field(ge=1)
        trim: bool = True  # runs recorded before it lack it

    def __init__(
        self,
        settings: Settings,
        tasks: int,
        input_shape: tuple[int, ...],
        device: torch.device,
    ) -> None:
        self.size, self.trim = settings.size, settings.trim
        self.make_room(settings.size, input_shape, device)
        self.classes: list[int] = []  # labels in the order of their arrival
        self.tasks: list[int] = []  # the task that brought each
        self.counts: list[int] = []  # samples held of each

    def share(self, arriving: int) -> int:
        """Samples that each class may keep once ``arriving`` more have come."""
        return self.size // (len(self.classes) + arriving)

    def add(
        self,
        x: Tensor,
        y: Tensor,
        task: int,
        generator: torch.Generator | None = None,
        **columns: Tensor,
    ) -> None:
        """All exemplars x (b, *input_shape), y (b,) of classes not seen before, the best first.

        Of each class the first ``share`` are kept.
        """
        arriving = y.unique().tolist()
        if known := set(arriving) & set(self.classes):
            raise UsageError(
                f"memory=exemplars has the exemplars of class {min(known)} already and takes each "
                "class once, as method=icarl gives them; choose memory=ring"
            )
        share = self.share(len(arriving))
        kept = share if self.trim else None
        old = [rows[:kept] for rows in self.rows().to(y.device).split(self.counts)]
        new = [(y == label).nonzero().flatten()[:share] for label in arriving]
        chosen = torch.cat(new)
        left = torch.cat([chosen[:0], *old])
        self.move(left, slice(len(left)))
        self.grow(len(left) + len(chosen))
        self.write(slice(len(left), len(left) + len(chosen)), x, y, columns, chosen)
        self.classes += arriving
        self.tasks += [task] * len(arriving)
        self.counts = [len(rows) for rows in (*old, *new)]

    def __len__(self) -> int:
        return sum(self.counts)

    def rows(self) -> Tensor:
        """Where the samples are, int64 (len(self),) on the CPU: class after class."""
        return torch.arange(len(self))

    def positions(self) -> Tensor:
        """For each sample its class's position in ``classes``, int64 (len(self),) on the CPU."""
        return torch.arange(len(self.counts)).repeat_interleave(torch.tensor(self.counts))

    def one_per_class(self, generator: torch.Generator) -> Tensor:
        """A random row of every class, int64 (classes,) on the CPU."""
        counts = torch.tensor(self.counts)
        offsets = (torch.rand(len(counts), generator=generator) * counts).long()
        return counts.cumsum(0) - counts + offsets

    def task_ids(self, rows: Tensor) -> Tensor:
        """Task index of each of the given rows, int64 of the same shape and device."""
        return torch.tensor(self.tasks)[self.positions()].to(rows.device)[rows]
