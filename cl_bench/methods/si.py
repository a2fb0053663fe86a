"""Synaptic Intelligence: weights that lowered the loss on their way are held.

Source: Zenke et al. 2017 (arXiv:1703.04200), equations 3-5.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context
from cl_bench.methods.parts.quadratic import PenaltyMethod, PenaltySettings
from cl_bench.streams.task import Task


class SI(PenaltyMethod):
    """g ← g + 2c Ω (θ - θ*): the loss gains c Σ_i Ω_i (θ_i - θ*_i)².

    ω sums -g_i·δ_i over the steps of a task: g is the gradient of the task's own loss, without
    the penalty, and δ the step that was in fact made. When the task ends, Ω gains ω / (Δ² + xi),
    with Δ the way between the weights before and after the task, and θ* become the latest weights.
    ``negative: zero`` raises negative ω to zero, as some implementations do; ``keep`` is the
    paper's formula.
    """

    needs = frozenset({"boundaries"})

    class Settings(PenaltySettings):
        xi: float = Field(gt=0)
        negative: Literal["keep", "zero"]

    settings: Settings
    kept = ("omega", "start")

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.omega = torch.zeros_like(self.net.theta)
        self.start = self.net.theta.clone()  # weights at the start of the task

    def begin_task(self, task: Task) -> None:
        self.omega.zero_()
        self.start.copy_(self.net.theta)

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        before = self.net.theta.clone()
        g = self.gradient(x, y, task)
        task_gradient = g.clone()
        self.penalized_step(g)
        self.omega.addcmul_(task_gradient, before.sub_(self.net.theta))

    def end_task(self, task: Task) -> None:
        omega = self.omega if self.settings.negative == "keep" else self.omega.clamp(min=0)
        importance = omega / ((self.net.theta - self.start).square() + self.settings.xi)
        self.penalty.move(importance, self.net.theta, decay=1.0)
