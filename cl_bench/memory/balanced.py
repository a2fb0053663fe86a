"""A memory with as many samples of every class, filled greedily.

Source: Prabhu et al. 2020 (GDumb), algorithm 1.
"""

from __future__ import annotations

from collections import Counter

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.config.schema import Section
from cl_bench.memory.base import Memory


class Balanced(Memory):
    """A sample is kept while there is room, or while its class has fewer than its share.

    The share is ``size`` over the number of classes seen, its own included; the sample then takes
    the place of a random one of a class that has most.
    """

    abilities = frozenset({"stream"})
    needs = frozenset({"classes"})
    kept = ("task", "count", "seen")

    class Settings(Section):
        size: int = Field(ge=1)

    def __init__(
        self,
        settings: Settings,
        tasks: int,
        input_shape: tuple[int, ...],
        device: torch.device,
    ) -> None:
        self.size = settings.size
        self.make_room(settings.size, input_shape, device)
        self.task = torch.zeros(settings.size, dtype=torch.int64)
        self.count = 0
        self.seen: list[int] = []  # labels

    def add(
        self,
        x: Tensor,
        y: Tensor,
        task: int,
        generator: torch.Generator | None = None,
        **columns: Tensor,
    ) -> None:
        held = self.y[: self.count].tolist()
        counts = Counter(held)
        for position, label in enumerate(y.tolist()):
            if label not in self.seen:
                self.seen.append(label)
            if self.count < self.size:
                row = self.count
                self.count += 1
                held.append(label)
            elif counts[label] < self.size / len(self.seen):
                most = max(counts.values())
                full = [i for i, other in enumerate(held) if counts[other] == most]
                row = full[int(torch.randint(len(full), (), generator=generator))]
                counts[held[row]] -= 1
                held[row] = label
            else:
                continue
            counts[label] += 1
            self.task[row] = task
            chosen = torch.tensor([position], device=y.device)
            self.write(torch.tensor([row], device=self.device), x, y, columns, chosen)

    def __len__(self) -> int:
        return self.count

    def rows(self) -> Tensor:
        return torch.arange(self.count)

    def task_ids(self, rows: Tensor) -> Tensor:
        return self.task[rows.cpu()].to(rows.device)
