"""Averaged GEM: a step may not raise the loss on a random batch of the past.

Source: Chaudhry et al. 2019 (arXiv:1812.00420), equation 11.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.memory.base import Samples
from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.streams.task import Task, index_of


class AGEM(Method):
    """g ← g - (g·r / r·r) r where g·r < 0, for the gradient r of a random batch of the past.

    The batch has ``reference`` samples, drawn without replacement from all past tasks' memories
    together (all that are held where there are fewer); with ``reference_from: all`` from the whole
    memory, the task at hand included (A-GEM-R, with a reservoir). The current batch is remembered
    after the update.
    """

    memory_needs = frozenset({"stream"})
    needs_with = (("reference_from", "past", "identity in training"),)

    class Settings(MethodSettings):
        reference: int = Field(ge=1)
        reference_from: Literal["past", "all"] = "past"  # runs recorded before it lack it

    settings: Settings
    kept = ("steps", "projections")

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.r = torch.zeros(self.net.size, device=context.device)
        self.steps = 0  # with a reference gradient
        self.projections = torch.zeros((), dtype=torch.int64, device=context.device)

    def observe(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        whole = self.settings.reference_from == "all"
        past = self.memory.sample_past(
            None if whole else task.index, self.settings.reference, self.generator
        )
        if len(past):
            self.reference_gradient(past)
        g = self.gradient(x, y, task)
        if len(past):
            self.project(g)
        self.step()
        self.memory.add(x, y, index_of(task), self.generator)

    def reference_gradient(self, past: Samples) -> None:
        """r (P,): the gradient of the mean loss on the samples."""

        def sample_loss(logits: Tensor, part: slice) -> Tensor:
            return self.scenario.loss(logits, past.y[part], past.task_ids[part])

        groups = self.net.groups(past.x[None], [len(past)])
        self.net.group_gradients(groups, sample_loss, self.r[None]).formed()

    def project(self, g: Tensor) -> None:
        """The projection in place; without a violation g stays as it is, bit for bit."""
        product = g @ self.r
        violated = product < 0
        # chosen on the device: a look at the product would make the host wait for it
        g.copy_(torch.where(violated, g - product / (self.r @ self.r) * self.r, g))
        self.steps += 1
        self.projections += violated

    def diagnostics(self) -> dict[str, Any]:
        """Steps with a reference gradient, and how many of them were projected."""
        return {"steps": self.steps, "projections": int(self.projections)}
