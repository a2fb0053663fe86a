"""Maximally Interfered Retrieval: the past samples that the step to come would hurt most.

Source: Aljundi et al. 2019 (arXiv:1908.04742), ER-MIR.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.memory.base import Samples
from cl_bench.methods.base import Method, MethodSettings
from cl_bench.streams.task import Task, index_of


class MIR(Method):
    """g of the batch + g of the ``replay`` of ``candidates`` samples of earlier tasks (of the whole
    memory where tasks are unknown) with the largest loss(θ') - loss(θ), where θ' = θ - lr·g of the
    batch alone.
    """

    memory_needs = frozenset({"stream"})

    class Settings(MethodSettings):
        candidates: int = Field(ge=1)
        replay: int = Field(ge=1)

    settings: Settings

    def observe(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        g = self.gradient(x, y, task)
        old = self.memory.sample_past(task and task.index, self.settings.candidates, self.generator)
        if len(old):
            self.net.backward(self.losses(self.most_interfered(old, g)).mean())
        self.step()
        self.memory.add(x, y, index_of(task), self.generator)

    @torch.no_grad()
    def most_interfered(self, candidates: Samples, g: Tensor) -> Samples:
        theta = self.net.theta.clone()
        before = self.losses(candidates)
        self.net.theta.add_(g, alpha=-self.settings.lr)
        rise = self.losses(candidates) - before
        self.net.theta.copy_(theta)
        chosen = rise.argsort(descending=True, stable=True)[: self.settings.replay]
        return self.memory.at(candidates.rows[chosen])

    def losses(self, samples: Samples) -> Tensor:
        return self.scenario.loss(self.net(samples.x), samples.y, samples.task_ids)
