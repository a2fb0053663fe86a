"""Dark Experience Replay: past samples are answered as they were when they were stored.

Source: Buzzega et al. 2020 (arXiv:2004.07211), equation 5.
"""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.streams.task import Task, index_of


class DER(Method):
    """L = CE(batch) + alpha · mean (h(x') - z')², over ``replay`` samples x' of the memory.

    z' (C,) are the outputs for x' just before the step on the batch that it came with; the mean is
    over samples and outputs. The batch is stored after its own step.
    """

    memory_needs = frozenset({"stream"})

    class Settings(MethodSettings):
        alpha: float = Field(ge=0)
        replay: int = Field(ge=1)

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.memory.column("logits", self.net.outputs)

    def observe(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        logits = self.net(x)
        loss = self.scenario.loss(logits, y, index_of(task)).mean()
        if len(self.memory):
            loss = loss + self.rehearsal()
        self.net.gradient(loss)
        self.step()
        self.memory.add(x, y, index_of(task), self.generator, logits=logits.detach())

    def rehearsal(self) -> Tensor:
        """What is added to the loss of the batch."""
        old = self.memory.sample(self.settings.replay, self.generator)
        return self.settings.alpha * F.mse_loss(self.net(old.x), old.logits)
