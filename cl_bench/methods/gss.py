"""GSS-Greedy: the memory keeps samples whose gradients point in different directions.

Source: Aljundi et al. 2019 (arXiv:1903.08671), algorithm 2.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.network.per_group import Gradients
from cl_bench.streams.task import Task, index_of, task_ids


class GSS(Method):
    """A step on the batch and ``replay`` samples of the memory; then the batch is offered to it.

    A sample's score is 1 + the largest cosine between its gradient and those of ``compared`` random
    samples of the memory, each on its own. While there is room, all are kept. Then, if the batch as
    a whole has a score below 1, each of its samples challenges one of the memory that is drawn with
    odds proportional to the scores there, and takes its place with probability
    C_held / (C_held + C_new).
    """

    memory_needs = frozenset({"chosen rows"})

    class Settings(MethodSettings):
        replay: int = Field(ge=1)
        compared: int = Field(ge=1)

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.memory.column("score", 1)

    def observe(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        index = index_of(task)
        old = self.memory.sample(self.settings.replay, self.generator)
        tasks = torch.cat([task_ids(y, index), old.task_ids])
        losses = self.scenario.loss(self.net(torch.cat([x, old.x])), torch.cat([y, old.y]), tasks)
        self.net.gradient(losses.mean())
        self.step()
        self.offer(x, y, index)

    def offer(self, x: Tensor, y: Tensor, index: int) -> None:
        """The batch goes to free rows, then challenges what is held."""
        tasks, free = task_ids(y, index), min(len(y), self.memory.free)
        if free:
            score = self.scores(self.each(x[:free], y[:free], tasks[:free]), self.references())
            self.memory.add(x[:free], y[:free], index, score=score[:, None])
        x, y, tasks = x[free:], y[free:], tasks[free:]
        if not len(y):
            return
        references = self.references()
        if self.scores(self.gradients(x[None], y, tasks), references) >= 1:
            return
        held = self.memory.columns["score"][:, 0].cpu()
        rows = torch.multinomial(held, min(len(y), len(held)), generator=self.generator)
        new = self.scores(self.each(x, y, tasks), references)[: len(rows)]
        odds = held[rows] / (held[rows] + new.cpu()).clamp(min=1e-12)
        taken = torch.rand(len(rows), generator=self.generator) < odds
        chosen = taken.nonzero().flatten().to(y.device)
        score = new[chosen][:, None]
        self.memory.replace(rows[taken], x[chosen], y[chosen], index, score=score)

    def references(self) -> Gradients | None:
        """The gradients of random samples of the memory; none of an empty one."""
        old = self.memory.sample(self.settings.compared, self.generator)
        return self.each(old.x, old.y, old.task_ids) if len(old) else None

    def scores(self, gradients: Gradients, references: Gradients | None) -> Tensor:
        """1 + the largest cosine (K,) of each gradient."""
        if references is None:
            return torch.ones(len(gradients), device=self.device)
        return 1 + gradients.cosines(references).max(1).values

    def each(self, x: Tensor, y: Tensor, tasks: Tensor) -> Gradients:
        """The gradients of the samples' losses, each on its own."""
        return self.gradients(x[:, None], y, tasks)

    def gradients(self, x: Tensor, y: Tensor, tasks: Tensor) -> Gradients:
        """The gradients of the mean losses of K groups of samples x (K, m, *input_shape)."""

        def sample_loss(logits: Tensor, part: slice) -> Tensor:
            return self.scenario.loss(logits, y[part], tasks[part])

        rows = torch.empty(len(x), self.net.size, device=self.device)
        return self.net.group_gradients(
            self.net.groups(x, [x.shape[1]] * len(x)), sample_loss, rows
        )
