"""Elastic Weight Consolidation: weights that mattered to past tasks are held by springs.

Sources: Kirkpatrick et al. 2017 (arXiv:1612.00796), equation 3; online: Schwarz et al. 2018
(arXiv:1805.06370), section 4; the settings: the baseline "EWC" of Lopez-Paz & Ranzato 2017.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.parts.quadratic import PenaltyMethod, PenaltySettings
from cl_bench.streams.task import Task


class EWC(PenaltyMethod):
    """g ← g + 2λ (A·θ - B): the loss gains λ Σ_k F_k (θ - θ*_k)², without the paper's ½.

    F_k is the diagonal Fisher information of task k on its first ``fisher_samples`` samples, at
    the weights θ*_k with which the task ended. ``fisher: batch`` squares the one mean gradient, as
    the GEM authors do, whose published numbers depend on it; the others are means over the samples,
    in evaluation mode: ``empirical`` of the squared gradient of the label's loss, ``weighted`` of
    the same times p(y|x) (Buzzega et al. 2020's code), ``exact`` of Σ_c p(c|x) times the squared
    gradient of class c's loss. With ``online`` there is one Fisher
    F̃ ← decay·F̃ + F_k and one anchor, the latest weights.
    """

    needs = frozenset({"boundaries", "task data at its end"})

    class Settings(PenaltySettings):
        fisher: Literal["batch", "empirical", "weighted", "exact"]
        fisher_samples: int = Field(ge=1)
        online: bool
        decay: float = Field(ge=0, le=1)

    settings: Settings

    def end_task(self, task: Task) -> None:
        fisher = self.fisher(*self.first_samples(task, self.settings.fisher_samples), task)
        if self.settings.online:
            self.penalty.move(fisher, self.net.theta, self.settings.decay)
        else:
            self.penalty.add(fisher, self.net.theta)

    def fisher(self, x: Tensor, y: Tensor, task: Task) -> Tensor:
        """F (P,) of the samples x (n, *input_shape), y (n,) at the current weights."""
        if self.settings.fisher == "batch":
            return self.gradient(x, y, task).square()
        self.train(False)  # a sample alone has no batch statistics

        def sample_loss(logits: Tensor, labels: Tensor) -> Tensor:
            loss = self.scenario.loss(logits, labels, task.index)
            if self.settings.fisher == "empirical":
                return loss
            return loss * (-loss.detach() / 2).exp()  # √p: its square weighs the square

        if self.settings.fisher == "exact":
            # a class that does not count has p = 0, and no loss
            visible = self.scenario.visible(task.index)
            classes = range(self.net.outputs) if visible is None else visible.nonzero().flatten()
            labels = [torch.full_like(y, int(c)) for c in classes]
        else:
            labels = [y]
        fisher = sum(self.net.mean_squared_gradient(x, one, sample_loss) for one in labels)
        self.train(True)
        return fisher
