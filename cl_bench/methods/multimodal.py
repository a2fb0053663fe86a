"""One network whose first layer is the task's own: each task is a modality.

Source: the baseline "multimodal" of Lopez-Paz & Ranzato 2017, section 4.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.models.multimodal import MultimodalMLP
from cl_bench.network.linear_stack import LinearStack, stack_of
from cl_bench.streams.task import Task


class Multimodal(Method):
    """θ = (shared layers, input layer 1, ..., input layer T); a step moves the shared part and
    the task's input layer, nothing else is touched.
    """

    needs = frozenset({"identity in training", "identity in tests"})

    def __init__(self, settings: MethodSettings, context: Context) -> None:
        if not isinstance(context.model, MultimodalMLP.Settings):
            raise UsageError(
                f"method=multimodal cannot use model={context.model.name}; "
                "choose model=multimodal, which has an input layer per task"
            )
        build = partial(context.build_network, inputs=context.tasks)
        super().__init__(settings, replace(context, build_network=build))
        module: Any = self.net.module
        self.shared = sum(p.numel() for p in module.shared.parameters())
        self.own = sum(p.numel() for p in module.inputs[0].parameters())

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        own = self.shared + task.index * self.own
        parts = slice(self.shared), slice(own, own + self.own)
        for part in parts:
            self.net.grad[part].zero_()
        module: Any = self.net.module
        module.active = task.index
        self.net.backward(self.scenario.loss(self.net(x), y, task.index).mean())
        self.optimizer.step(
            [self.net.theta[part] for part in parts], [self.net.grad[part] for part in parts]
        )

    def answers(self, task: Task) -> LinearStack:
        module: Any = self.net.module
        return stack_of([module.inputs[task.index], *module.shared])
