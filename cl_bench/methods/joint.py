"""All tasks at once: what a method that forgets nothing could reach, the upper reference.

Source: "joint" of Buzzega et al. 2020, "multi-task" of Chaudhry et al. 2019 (A-GEM).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Method, MethodSettings
from cl_bench.streams.task import Task, task_ids


class Joint(Method):
    """When the last task ends, the network learns the samples of all of them in random order.

    ``passes`` over all, in batches of ``batch``, every sample with the outputs of its own task.
    Until then nothing is learned, so of the metrics ACC alone says something.
    """

    needs = frozenset({"boundaries", "identity in training", "data of all tasks",
                       "an output per class"})  # fmt: skip

    class Settings(MethodSettings):
        passes: int = Field(ge=1)
        batch: int = Field(ge=1)

    settings: Settings

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        """Nothing: the task's data comes once more."""

    def end_task(self, task: Task) -> None:
        if task.stay + 1 < self.context.stays:
            return
        parts = [
            (x, y, task_ids(y, past.index))
            for past in self.context.up_to(task)
            for x, y in self.context.data(past)
        ]
        x, y, ids = (torch.cat(part) for part in zip(*parts, strict=True))
        s = self.settings
        self.optimizer.begin_task(-(-len(y) // s.batch) * s.passes, s.passes)
        for _ in range(s.passes):
            order = torch.randperm(len(y), generator=self.generator).to(y.device)
            for rows in order.split(s.batch):
                losses = self.scenario.loss(self.net(x[rows]), y[rows], ids[rows])
                self.net.gradient(losses.mean())
                self.step()
