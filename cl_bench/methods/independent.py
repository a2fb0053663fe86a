"""One network per task: no interference and no sharing.

Sources: the baseline "independent" of Lopez-Paz & Ranzato 2017, section 4, whose networks are
narrow; the single-task learning (STL) of Yoon et al. 2020 (APD), whose networks are whole.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from cl_bench.errors import UsageError
from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.network.theta import Network
from cl_bench.streams.task import Task


class Independent(Method):
    """T networks. ``width: share``: each with hidden layers 1/T as wide, so that all together are
    of one's size; ``width: whole``: each as wide as the model.

    With ``finetune`` a task starts from the parameters of the task before it (buffers, such as
    BatchNorm statistics, are not taken over, as in the authors' code). ``head: carried``: where the
    tasks have classes of their own, what was learned for the i-th class of the task before starts
    the i-th of the task; ``own``: each output starts from its own.
    """

    needs = frozenset({"boundaries", "identity in training", "identity in tests",
                       "an output per class"})  # fmt: skip

    class Settings(MethodSettings):
        finetune: bool
        width: Literal["share", "whole"] = "share"  # runs recorded before it lack it
        head: Literal["own", "carried"] = "own"  # and this

    settings: Settings
    kept = ("nets",)

    def __init__(self, settings: Settings, context: Context) -> None:
        build = context.build_network
        if settings.width == "share":
            narrowed = getattr(context.model, "narrowed", None)
            if narrowed is None:
                raise UsageError(
                    f"method=independent cannot make model={context.model.name} narrower; "
                    "choose model=mlp or method.width=whole"
                )
            build = partial(build, **narrowed(context.tasks))
        super().__init__(settings, replace(context, build_network=build))
        self.nets = [self.net, *(build() for _ in range(context.tasks - 1))]

    def begin_task(self, task: Task) -> None:
        if self.settings.finetune and task.index > 0 and not task.visit:
            self.nets[task.index].theta.copy_(self.nets[task.index - 1].theta)
            if self.settings.head == "carried":
                self.carry_head(self.nets[task.index], task.index)

    def carry_head(self, net: Network, task: int) -> None:
        """Rows of the last layer, weights (C, d) and biases (C,), from the last task's classes."""
        owned = self.scenario.multi_head()
        before, now = (owned.visible(index).nonzero().flatten() for index in (task - 1, task))
        shared = min(len(before), len(now))
        for parameter in net.parameters[-2:]:
            parameter.data[now[:shared]] = parameter.data[before[:shared]]

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        self.net = self.nets[task.index]
        super().observe(x, y, task)
        self.net = self.nets[0]  # as the constructor leaves it: which one it is, is no state

    def answers(self, task: Task) -> nn.Module:
        return self.nets[task.index].module

    def moves(self, learned: Task, tested: Task) -> bool:
        return learned.index == tested.index

    def train(self, mode: bool) -> None:
        for net in self.nets:
            net.module.train(mode)

    @property
    def parameters(self) -> int:
        return sum(net.size for net in self.nets)

    def finite(self) -> bool:
        return all(bool(torch.isfinite(net.theta).all()) for net in self.nets)
