"""Learning without Forgetting: on the new data, old outputs stay what they were.

Source: Li & Hoiem 2017 (arXiv:1606.09282), equations 1-3.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.streams.task import Task


class LwF(Method):
    """L = CE(batch) + strength · CE(softmax(z_old / T), softmax(z / T)), T the ``temperature``.

    z_old are the outputs for the batch of the network as it was when the task began. They are
    compared on the outputs of the past tasks alone: with one shared head on all of them.
    """

    needs = frozenset({"boundaries", "classes"})
    kept = ("teacher", "past")

    class Settings(MethodSettings):
        strength: float = Field(ge=0)
        temperature: float = Field(gt=0)

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.teacher = self.net.copy()
        self.past = torch.zeros(self.net.outputs, dtype=torch.bool, device=self.device)

    def begin_task(self, task: Task) -> None:
        self.teacher.load_state_dict(self.net.state_dict())

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        logits = self.net(x)
        loss = self.scenario.loss(logits, y, task.index).mean()
        if self.past.any():
            with torch.no_grad():
                wanted = (self.teacher(x)[:, self.past] / self.settings.temperature).softmax(1)
            found = (logits[:, self.past] / self.settings.temperature).log_softmax(1)
            loss = loss - self.settings.strength * (wanted * found).sum(1).mean()
        self.net.gradient(loss)
        self.step()

    def end_task(self, task: Task) -> None:
        self.past[list(task.classes)] = True
