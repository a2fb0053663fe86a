"""Memory Aware Synapses: weights that the outputs depend on are held; no label is needed for it.

Source: Aljundi et al. 2018 (arXiv:1711.09601), equations 2-4; the local version of its section 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.methods.base import Context
from cl_bench.methods.parts.quadratic import PenaltyMethod, PenaltySettings
from cl_bench.network.hebbian import Hebbian
from cl_bench.streams.task import Task


class MAS(PenaltyMethod):
    """g ← g + 2λ Ω (θ - θ*): the loss gains λ Σ_i Ω_i (θ_i - θ*_i)².

    After a task Ω gains the mean over inputs x of |∂‖F(x; θ)‖² / ∂θ|; the outputs F are those that
    count for the task, so that the head of a task to come has no importance. θ* are the weights
    after the latest task.

    ``scope: local``: every layer's own squared output norm in place of the network's (l-MAS).
    ``absolute: sample`` takes the magnitude of every input's gradient, ``batch`` that of the sum
    over ``importance_batch`` of them, as the authors' code does unless told otherwise. A last batch
    that is smaller counts by its inputs; with ``batch_weights: equal`` every batch's mean counts
    alike, which is what the authors' running mean comes to.
    ``importance_data``: inputs of the task's training set, its test set (without labels), or both.
    ``accumulate``: ``sum`` adds the tasks' importances (authors), ``average`` is
    Ω ← alpha·Ω + (1 - alpha)·Ω_task from the second task on, ``separate`` adds them and draws each
    task's to that task's own weights, as EWC does.
    """

    needs = frozenset({"boundaries", "task data at its end"})

    class Settings(PenaltySettings):
        scope: Literal["global", "local"]
        absolute: Literal["sample", "batch"]
        importance_batch: int = Field(ge=1)
        batch_weights: Literal["inputs", "equal"] = "inputs"  # runs recorded before it lack it
        importance_data: Literal["train", "test", "both"]
        accumulate: Literal["sum", "average", "separate"]
        alpha: float = Field(ge=0, le=1)

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.hebbian = Hebbian(self.net)
        if settings.scope == "local" and not self.hebbian.fits():
            raise UsageError(
                f"method.scope=local cannot use model={context.model.name}, which has parameters "
                "outside of linear and convolutional layers; choose model=mlp, small_cnn or lenet"
            )

    def end_task(self, task: Task) -> None:
        importance, alpha = self.importance(task), self.settings.alpha
        match self.settings.accumulate:
            case "sum":
                self.penalty.move(importance, self.net.theta, decay=1.0)
            case "average" if task.stay > 0:
                self.penalty.move((1 - alpha) * importance, self.net.theta, decay=alpha)
            case _:
                self.penalty.add(importance, self.net.theta)

    def importance(self, task: Task) -> Tensor:
        """Ω (P,) of the task at the current weights, in evaluation mode."""
        chosen = self.settings.importance_data
        total, count = torch.zeros_like(self.net.theta), 0
        self.train(False)
        splits: tuple[Any, ...] = ("train", "test") if chosen == "both" else (chosen,)
        blocks = chain.from_iterable(self.context.inputs(task, split) for split in splits)
        if self.settings.scope == "global" and self.settings.absolute == "batch":
            blocks = whole_batches(blocks, self.settings.importance_batch)
        for x in blocks:
            count += self.add_importance(x, self.scenario.visible(task.index), total)
        self.train(True)
        return total.div_(count)

    def add_importance(self, x: Tensor, visible: Tensor | None, total: Tensor) -> int:
        """Adds the sum over the inputs x (n, *input_shape) to ``total`` (P,), and counts them."""

        def squared_norm(outputs: Tensor, _: Tensor) -> Tensor:
            return (outputs if visible is None else outputs * visible).square().sum(1)

        if self.settings.scope == "local":
            self.hebbian.add(x, visible, total)
        elif self.settings.absolute == "sample":
            mean = self.net.mean_absolute_gradient(x, x.new_empty(len(x)), squared_norm)
            total.add_(mean, alpha=len(x))
        else:
            size, count = self.settings.importance_batch, 0
            for part in x.split(size):
                counted = size if self.settings.batch_weights == "equal" else len(part)
                g = self.net.gradient(squared_norm(self.net(part), part).sum())
                total.add_(g.abs(), alpha=counted / len(part))
                count += counted
            return count
        return len(x)


def whole_batches(blocks: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """The same inputs in the same order, cut at multiples of ``size``; the last may be shorter."""
    rest: Tensor | None = None
    for block in blocks:
        x = block if rest is None else torch.cat([rest, block])
        cut = len(x) - len(x) % size
        rest = x[cut:]
        if cut:
            yield x[:cut]
    if rest is not None and len(rest):
        yield rest
