"""RWalk: springs by the Fisher information and by what every weight did for the loss on its way.

Source: Chaudhry et al. 2018 (arXiv:1801.10112), section 4; scaling and averages as in the code of
Chaudhry et al. 2019 (A-GEM), in whose protocol its numbers are.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context
from cl_bench.methods.ewcpp import scaled
from cl_bench.methods.parts.quadratic import PenaltyMethod, PenaltySettings
from cl_bench.streams.task import Task


class RWalk(PenaltyMethod):
    """g ← g + 2λ (F + s) (θ - θ*), F and s scaled to [0, 1] over all parameters.

    Every ``every`` steps F̃ ← (1 - alpha)·F̃ + alpha·(mean over these steps of g²), and the score of
    the task gains max(0, -Σ g·Δ / (½ F̃·Δ² + eps)), g the gradient of the loss alone and Δ the way
    of the weights in these steps. When a task ends s becomes the mean of what it was and the task's
    score (after the first task: the score), and θ* the latest weights.
    """

    needs = frozenset({"boundaries"})
    kept = ("fisher", "squares", "steps", "path", "start", "gained", "score", "tasks")

    class Settings(PenaltySettings):
        alpha: float = Field(gt=0, le=1)
        every: int = Field(ge=1)
        eps: float = Field(gt=0)

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        zeros = torch.zeros_like(self.net.theta)
        self.fisher, self.squares = zeros.clone(), zeros.clone()
        self.path, self.gained, self.score = zeros.clone(), zeros.clone(), zeros.clone()
        self.start = self.net.theta.clone()  # of the steps since the last average
        self.steps = self.tasks = 0

    def begin_task(self, task: Task) -> None:
        self.gained.zero_()
        self.restart()

    def restart(self) -> None:
        self.squares.zero_()
        self.path.zero_()
        self.start.copy_(self.net.theta)
        self.steps = 0

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        before = self.net.theta.clone()
        g = self.gradient(x, y, task)
        loss_gradient = g.clone()
        self.squares.addcmul_(g, g)
        self.penalized_step(g)
        self.path.addcmul_(loss_gradient, before.sub_(self.net.theta))
        self.steps += 1
        if self.steps == self.settings.every:
            self.fisher.lerp_(self.squares / self.steps, self.settings.alpha)
            way = (self.net.theta - self.start).square()
            self.gained += (self.path / (self.fisher * way / 2 + self.settings.eps)).clamp(min=0)
            self.restart()

    def end_task(self, task: Task) -> None:
        self.score = self.gained.clone() if self.tasks == 0 else (self.score + self.gained) / 2
        self.tasks += 1
        self.penalty.move(scaled(self.fisher) + scaled(self.score), self.net.theta, decay=0.0)
