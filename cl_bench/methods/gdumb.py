"""GDumb: fill a balanced memory, and learn from it alone, anew, whenever it is asked.

Source: Prabhu et al. 2020 (ECCV, "GDumb: A simple approach that questions our progress").
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.streams.task import Task


class GDumb(Method):
    """Every sample is offered to the memory. When a task ends, a network that begins from the run's
    initial parameters learns the memory in ``passes`` passes, in batches of ``batch``.

    The authors' settings are SGD with a cosine schedule, weight decay and clipping
    (``method.optimizer``); they learn once, at the end of the stream (``fit: last``).
    """

    memory_needs = frozenset({"stream"})
    needs = frozenset({"boundaries", "an output per class", "classes"})

    class Settings(MethodSettings):
        passes: int = Field(ge=1)
        batch: int = Field(ge=1)
        fit: Literal["every", "last"]

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.initial = {
            part: {name: value.clone() for name, value in values.items()}
            for part, values in self.net.state_dict().items()
            if part != "random"
        }

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        self.memory.add(x, y, task.index, self.generator)

    def end_task(self, task: Task) -> None:
        if self.settings.fit == "every" or task.stay + 1 == self.context.stays:
            self.net.load_state_dict({**self.net.state_dict(), **self.initial})
            self.learn_memory()

    def learn_memory(self) -> None:
        s, rows = self.settings, self.memory.rows()
        self.optimizer.begin_task(-(-len(rows) // s.batch) * s.passes, s.passes)
        for _ in range(s.passes):
            order = rows[torch.randperm(len(rows), generator=self.generator)]
            for part in order.split(s.batch):
                old = self.memory.at(part)
                self.net.gradient(self.scenario.loss(self.net(old.x), old.y, old.task_ids).mean())
                self.step()
