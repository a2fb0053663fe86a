"""Experience replay: one step on the stream's batch together with samples from the memory.

Sources: Chaudhry et al. 2019 (arXiv:1902.10486) for tiny memories, replay without replacement;
Riemer et al. 2019 (arXiv:1810.11910), algorithms 4 and 5, replay with replacement.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Method, MethodSettings
from cl_bench.streams.task import Task, index_of, task_ids


class ER(Method):
    """g of the batch and min(``replay``, |M|) replayed samples; then the batch goes to the memory.

    ``balance: none`` is the mean cross-entropy of all samples (algorithm 4), ``task`` the sum over
    the tasks present of each one's mean (algorithm 5). ``steps`` of them are taken on a batch, each
    with another draw: with batches of one sample this is MER as Buzzega et al. 2020
    (arXiv:2004.07211) ran it, with β = γ = 1.
    """

    memory_needs = frozenset({"stream"})
    needs_with = (("balance", "task", "identity in training"),)

    class Settings(MethodSettings):
        replay: int = Field(ge=0)
        draw: Literal["with_replacement", "without_replacement"]
        balance: Literal["none", "task"]
        # only the recipes of a protocol that has it so name it
        steps: int = Field(default=1, ge=1, description="steps on a batch, each with another draw")

    settings: Settings

    def observe(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        for _ in range(self.settings.steps):
            self.replay(x, y, task)
        self.memory.add(x, y, index_of(task), self.generator)

    def replay(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        """A step on the batch and samples from the memory."""
        old = self.memory.sample(
            self.settings.replay, self.generator, self.settings.draw == "with_replacement"
        )
        tasks = torch.cat([task_ids(y, index_of(task)), old.task_ids])
        logits = self.net(torch.cat([x, old.x]))
        losses = self.scenario.loss(logits, torch.cat([y, old.y]), tasks)
        self.net.gradient(self.total(losses, tasks))
        self.step()

    def total(self, losses: Tensor, tasks: Tensor) -> Tensor:
        """One loss of the samples' losses (n,) and task indices (n,)."""
        if self.settings.balance == "none":
            return losses.mean()
        present, count = tasks.unique(return_inverse=True, return_counts=True)[1:]
        return (losses / count[present]).sum()
