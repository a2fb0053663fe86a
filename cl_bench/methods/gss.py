"""GSS-Greedy: the memory keeps samples whose gradients point in different directions.

Source: Aljundi et al. 2019 (arXiv:1903.08671), algorithm 2.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
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
        free = min(len(y), self.memory.free)
        if free:
            references = self.references()
            score = self.scores(x[:free], y[:free], index, references)
            self.memory.add(x[:free], y[:free], index, score=score[:, None])
        x, y = x[free:], y[free:]
        if not len(y):
            return
        references = self.references()
        whole = self.gradients(x, y, index, [len(y)])
        if 1 + (normalized(whole) @ references.t()).max() >= 1:
            return
        held = self.memory.columns["score"][:, 0].cpu()
        rows = torch.multinomial(held, min(len(y), len(held)), generator=self.generator)
        new = self.scores(x, y, index, references)[: len(rows)]
        odds = held[rows] / (held[rows] + new.cpu()).clamp(min=1e-12)
        taken = torch.rand(len(rows), generator=self.generator) < odds
        chosen = taken.nonzero().flatten().to(y.device)
        score = new[chosen][:, None]
        self.memory.replace(rows[taken], x[chosen], y[chosen], index, score=score)

    def references(self) -> Tensor:
        """Unit gradients (n, P) of random samples of the memory; none of an empty one."""
        old = self.memory.sample(self.settings.compared, self.generator)
        if not len(old):
            return self.net.theta.new_zeros(1, self.net.size)
        losses = [
            self.gradients(old.x[i : i + 1], old.y[i : i + 1], old.task_ids[i : i + 1], [1])
            for i in range(len(old))
        ]
        return normalized(torch.cat(losses))

    def scores(self, x: Tensor, y: Tensor, index: int, references: Tensor) -> Tensor:
        """1 + the largest cosine (n,) of each sample's gradient."""
        own = torch.cat(
            [self.gradients(x[i : i + 1], y[i : i + 1], index, [1]) for i in range(len(y))]
        )
        return 1 + (normalized(own) @ references.t()).max(1).values

    def gradients(self, x: Tensor, y: Tensor, tasks: int | Tensor, counts: list[int]) -> Tensor:
        """The gradient (1, P) of the mean loss of the samples."""

        def sample_loss(logits: Tensor, part: slice) -> Tensor:
            return self.scenario.loss(logits, y[part], tasks)

        out = torch.empty(1, self.net.size, device=self.device)
        groups = self.net.groups(x[None], counts)
        return self.net.group_gradients(groups, sample_loss, out).formed()


def normalized(rows: Tensor) -> Tensor:
    """The rows (n, P) at length 1; zeros stay."""
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
