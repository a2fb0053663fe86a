"""Elastic Weight Consolidation: weights that mattered to past tasks are held by springs.

Sources: Kirkpatrick et al. 2017 (arXiv:1612.00796), equation 3; online: Schwarz et al. 2018
(arXiv:1805.06370), section 4; the settings: the baseline "EWC" of Lopez-Paz & Ranzato 2017.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context
from cl_bench.methods.parts.quadratic import PenaltyMethod, PenaltySettings
from cl_bench.streams.task import Task


class EWC(PenaltyMethod):
    """g ← g + 2λ (A·θ - B): the loss gains λ Σ_k F_k (θ - θ*_k)², without the paper's ½.

    F_k is the diagonal Fisher information of task k on its first ``fisher_samples`` samples, at
    the weights θ*_k with which the task ended. ``fisher: batch`` squares the one mean gradient, as
    the GEM authors do, whose published numbers depend on it; the others are means over the samples,
    in evaluation mode: ``empirical`` of the squared gradient of the label's loss (of numbers that
    of the squared error: a Gaussian's, but for its variance), ``weighted`` of the same times p(y|x)
    (Buzzega et al. 2020's code), ``exact`` of Σ_c p(c|x) times the squared gradient of class c's
    loss. With ``online`` there is one Fisher F̃ ← decay·F̃ + F_k and one anchor, the latest weights.

    ``fisher_pass: next`` is the GEM authors' time for it: when the next task begins, so after the
    task's evaluation and never after the last task. The weights are the same; with ``fisher:
    batch`` the pass moves BatchNorm's running statistics, which then differ in the evaluation.
    ``whole_first_batch``: a task's first batch is never cut to ``fisher_samples``, as with them.
    """

    needs = frozenset({"boundaries", "task data at its end"})
    needs_with = (("fisher", "weighted", "classes"), ("fisher", "exact", "classes"))

    class Settings(PenaltySettings):
        fisher: Literal["batch", "empirical", "weighted", "exact"]
        fisher_samples: int = Field(ge=1)
        online: bool
        decay: float = Field(ge=0, le=1)
        # runs recorded before them lack these
        fisher_pass: Literal["end", "next"] = "end"
        whole_first_batch: bool = False

    settings: Settings
    kept = ("waiting", "first_batch")

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.waiting: dict[str, Any] | None = None  # x, y and task of a pass to come
        self.first_batch = 0  # samples in the task's first batch

    def begin_task(self, task: Task) -> None:
        self.first_batch = 0
        if self.waiting is not None:
            self.hold(**self.waiting)
            self.waiting = None

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        self.first_batch = self.first_batch or len(y)
        super().observe(x, y, task)

    def end_task(self, task: Task) -> None:
        n = self.settings.fisher_samples
        if self.settings.whole_first_batch:
            n = max(n, self.first_batch)
        x, y = self.first_samples(task, n)
        if self.settings.fisher_pass == "next":
            self.waiting = {"x": x, "y": y, "task": task.index}
        else:
            self.hold(x, y, task.index)

    def hold(self, x: Tensor, y: Tensor, task: int) -> None:
        """The spring of a task with this index, at the current weights."""
        fisher = self.fisher(x, y, task)
        if self.settings.online:
            self.penalty.move(fisher, self.net.theta, self.settings.decay)
        else:
            self.penalty.add(fisher, self.net.theta)

    def fisher(self, x: Tensor, y: Tensor, task: int) -> Tensor:
        """F (P,) of the samples x (n, *input_shape), y (n,) at the current weights."""
        if self.settings.fisher == "batch":
            return self.net.gradient(self.scenario.loss(self.net(x), y, task).mean()).square()
        self.train(False)  # a sample alone has no batch statistics

        def sample_loss(logits: Tensor, labels: Tensor) -> Tensor:
            loss = self.scenario.loss(logits, labels, task)
            if self.settings.fisher == "empirical":
                return loss
            return loss * (-loss.detach() / 2).exp()  # √p: its square weighs the square

        if self.settings.fisher == "exact":
            # a class that does not count has p = 0, and no loss
            visible = self.scenario.visible(task)
            classes = range(self.net.outputs) if visible is None else visible.nonzero().flatten()
            labels = [torch.full_like(y, int(c)) for c in classes]
        else:
            labels = [y]
        parts = (self.net.mean_squared_gradient(x, one, sample_loss) for one in labels)
        fisher = reduce(torch.add, parts)
        self.train(True)
        return fisher
