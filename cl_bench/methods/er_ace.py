"""ER-ACE: a batch's own loss leaves the classes of the past alone, replay alone moves them.

Source: Caccia et al. 2022 (arXiv:2104.05025), asymmetric cross-entropy.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.streams.task import Task, index_of


class ERACE(Method):
    """L = CE of the batch among its own classes and those never seen + CE of ``replay`` samples.

    ``first_task: plain`` is SGD on all outputs until the second task begins, as in the authors'
    code; ``masked`` treats the first task as every other. Which classes were seen is kept class
    by class (copies of the authors' code count the largest class seen as unseen).
    """

    memory_needs = frozenset({"stream"})
    needs = frozenset({"classes"})
    needs_with = (("first_task", "plain", "boundaries"),)
    kept = ("seen", "tasks")

    class Settings(MethodSettings):
        replay: int = Field(ge=1)
        first_task: Literal["plain", "masked"]

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.seen = torch.zeros(self.net.outputs, dtype=torch.bool, device=self.device)
        self.tasks = 0  # that have begun

    def begin_task(self, task: Task) -> None:
        self.tasks += 1

    def observe(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        index, logits = index_of(task), self.net(x)
        asymmetric = self.settings.first_task == "masked" or self.tasks > 1
        past = self.seen.clone()
        past[y] = False
        self.seen[y] = True
        if asymmetric:
            logits = logits.masked_fill(past, -torch.inf)
        loss = self.scenario.loss(logits, y, index).mean()
        if asymmetric and len(self.memory):
            old = self.memory.sample(self.settings.replay, self.generator)
            loss = loss + self.scenario.loss(self.net(old.x), old.y, old.task_ids).mean()
        self.net.gradient(loss)
        self.step()
        self.memory.add(x, y, index, self.generator)
