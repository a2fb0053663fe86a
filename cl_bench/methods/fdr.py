"""Function Distance Regularisation: past samples' probabilities stay where they were.

Sources: Benjamin et al. 2019 (arXiv:1805.08289); two steps a batch and the memory's filling as in
the code of Buzzega et al. 2020, whose table it stands in.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.streams.task import Task


class FDR(Method):
    """A step on CE(batch), then one on alpha · mean ‖softmax(h(x')) - softmax(z')‖₂.

    x' are ``replay`` samples of the memory, z' (C,) their outputs when their task ended: then as
    many samples of the task go to the memory as its share is.
    """

    memory_needs = frozenset({"stream"})
    needs = frozenset({"boundaries", "identity in training", "task data at its end",
                       "classes"})  # fmt: skip

    class Settings(MethodSettings):
        alpha: float = Field(ge=0)
        replay: int = Field(ge=1)

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.memory.column("logits", self.net.outputs)

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        super().observe(x, y, task)
        if len(self.memory):
            old = self.memory.sample(self.settings.replay, self.generator)
            moved = self.net(old.x).softmax(1) - old.logits.softmax(1)
            self.net.gradient(self.settings.alpha * moved.norm(dim=1).mean())
            self.step()

    @torch.no_grad()
    def end_task(self, task: Task) -> None:
        x, y = self.first_samples(task, len(self.memory.y))
        self.memory.add(x, y, task.index, self.generator, logits=self.net(x))
