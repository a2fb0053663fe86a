"""PackNet: every task gets weights of its own, those that the ones before it could do without.

Source: Mallya & Lazebnik 2018 (arXiv:1711.05769), section 3.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.methods.parts.decomposition import Decomposition
from cl_bench.streams.task import Task


class PackNet(Method):
    """θ_t = θ ⊗ (owner ≤ t): task t moves what no task before it owns.

    When it ends, the share ``prune`` of what it moved in each weight tensor, the smallest, is set
    to zero and left to later tasks; the rest is trained for ``retrain`` passes more and is the
    task's for good. Biases are the first task's. With heads of their own, tasks share no row of the
    last layer, and none is pruned.
    """

    needs = frozenset({"boundaries", "identity in training", "identity in tests",
                       "task data at its end", "one stay per task",
                       "an output per class"})  # fmt: skip
    kept = ("owner",)

    class Settings(MethodSettings):
        prune: float = Field(gt=0, lt=1)
        retrain: int = Field(ge=0)
        retrain_batch: int = Field(ge=1)

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.layout = Decomposition(self.net)
        self.owner = torch.zeros_like(self.net.theta, dtype=torch.int64)  # 0: free, t + 1: task t's

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        self.move(self.free(task), x, y, task)

    def move(self, movable: Tensor, x: Tensor, y: Tensor, task: Task) -> None:
        """A step on the batch of the ``movable`` entries (P,) alone."""
        before = self.net.theta.clone()
        self.gradient(x, y, task).mul_(movable)
        self.step()
        self.net.theta.copy_(torch.where(movable, self.net.theta, before))

    def free(self, task: Task) -> Tensor:
        """Entries (P,) that the task may move: no head of another task's is among them."""
        free = self.owner == 0
        visible = self.scenario.visible(task.index)
        if visible is not None:
            free[self.layout.last] &= visible[self.layout.head]
        return free

    def end_task(self, task: Task) -> None:
        mine = self.free(task)
        heads = self.scenario.visible(task.index) is not None
        for part in self.layout.layers if heads else self.layout.weights:
            movable, weights = mine[part], self.net.theta[part]
            small = weights.abs().masked_fill(~movable, torch.inf).argsort(stable=True)
            small = small[: int(self.settings.prune * movable.sum())]
            weights[small], movable[small] = 0.0, False
        for _ in range(self.settings.retrain):
            for x, y in self.context.data(task):
                size = self.settings.retrain_batch
                for batch in zip(x.split(size), y.split(size), strict=True):
                    self.move(mine, *batch, task)
        self.owner[mine] = task.index + 1

    def moves(self, learned: Task, tested: Task) -> bool:
        return tested.index >= learned.index  # what a task owns, no later one moves

    def answers(self, task: Task) -> nn.Module:
        """The network with the weights of the task and of those before it; as it is before it."""
        net = self.net.copy()
        if (self.owner == task.index + 1).any():
            net.theta.mul_((self.owner > 0) & (self.owner <= task.index + 1))
        return net.module
