"""EWC++: Elastic Weight Consolidation whose Fisher information is averaged while it learns.

Source: Chaudhry et al. 2018 (RWalk, arXiv:1801.10112), section 4.1; as in the code of Chaudhry et
al. 2019 (A-GEM, arXiv:1812.00420), whose row "EWC" it is.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context
from cl_bench.methods.parts.quadratic import PenaltyMethod, PenaltySettings
from cl_bench.streams.task import Task


class EWCPlusPlus(PenaltyMethod):
    """g ← g + 2λ F (θ - θ*): the loss gains λ Σ_i F_i (θ_i - θ*_i)².

    Every ``every`` steps F̃ ← (1 - alpha)·F̃ + alpha·(mean over these steps of g²), where g is the
    gradient of a batch's own loss, without the penalty. F̃ goes on from task to task and starts at
    zero. When a task ends F becomes F̃, with ``scaled`` as (F̃ - min F̃) / (max F̃ - min F̃) over
    all parameters, and θ* the latest weights.

    ``window``: which steps those of an average are. ``task``: it ends with the current one, and
    steps since the last average are left out when a task ends. ``stream``: the average is taken
    before the current gradient is added and divided by ``every`` whatever was added, and what was
    added since goes on into the next task, as in the authors' code: the run's first window has one
    step less.
    """

    needs = frozenset({"boundaries"})

    class Settings(PenaltySettings):
        alpha: float = Field(gt=0, le=1)
        every: int = Field(ge=1)
        scaled: bool
        window: Literal["task", "stream"] = "task"  # runs recorded before it lack it

    settings: Settings
    kept = ("fisher", "squares", "steps")

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.fisher = torch.zeros_like(self.net.theta)
        self.squares = torch.zeros_like(self.net.theta)  # sum of g² since the last average
        self.steps = 0

    def begin_task(self, task: Task) -> None:
        if self.settings.window == "task":
            self.squares.zero_()
        self.steps = 0

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        g = self.gradient(x, y, task)
        self.steps += 1
        if self.settings.window == "task":
            self.squares.addcmul_(g, g)
        if self.steps == self.settings.every:
            self.fisher.lerp_(self.squares / self.steps, self.settings.alpha)
            self.squares.zero_()
            self.steps = 0
        if self.settings.window == "stream":
            self.squares.addcmul_(g, g)
        self.penalized_step(g)

    def end_task(self, task: Task) -> None:
        fisher = scaled(self.fisher) if self.settings.scaled else self.fisher
        self.penalty.move(fisher, self.net.theta, decay=0.0)


def scaled(values: Tensor) -> Tensor:
    """(v - min v) / (max v - min v) of a vector (P,)."""
    low, high = values.aminmax()
    return (values - low) / (high - low).clamp(min=torch.finfo(values.dtype).tiny)
