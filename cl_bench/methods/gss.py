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

FIRST = 0.1  # score of the first batch, which meets an empty memory


class GSS(Method):
    """A step on the batch and ``replay`` samples of the memory; then the batch is offered to it.

    A score is 1 + the largest cosine between a gradient and those of ``compared`` random samples of
    the memory. While there is room, all samples are kept, with the score of the batch as a whole.
    Then, if that is below 1, one sample of the batch after the other challenges one of the memory,
    drawn with odds proportional to the scores there, and takes its place with probability
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
        old = self.memory.sample(self.settings.compared, self.generator)
        references = self.each(old.x, old.y, old.task_ids) if len(old) else None
        whole = FIRST
        if references is not None:
            whole = float(scores(self.gradients(x[None], y, tasks), references))
        if free:
            score = torch.full((free, 1), whole, device=self.device)
            self.memory.add(x[:free], y[:free], index, score=score)
        x, y, tasks = x[free:], y[free:], tasks[free:]
        if not len(y) or references is None or whole >= 1:
            return
        new = scores(self.each(x, y, tasks), references).cpu()
        held, taken = self.memory.columns["score"][:, 0].cpu(), {}
        for i in range(len(y)):  # one after the other: a later one may take the place of an earlier
            row = int(torch.multinomial(held, 1, generator=self.generator))
            if torch.rand((), generator=self.generator) < held[row] / (held[row] + new[i]):
                held[row], taken[row] = new[i], i
        if taken:
            rows = torch.tensor(list(taken))
            chosen = torch.tensor(list(taken.values())).to(y.device)
            score = held[rows][:, None].to(y.device)
            self.memory.replace(rows, x[chosen], y[chosen], index, score=score)

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


def scores(gradients: Gradients, references: Gradients) -> Tensor:
    """1 + the largest cosine (K,) of each gradient; more than 0, so that any can be drawn."""
    return (1 + gradients.cosines(references).max(1).values).clamp_(min=1e-6)
