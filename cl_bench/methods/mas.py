"""Memory Aware Synapses: weights that the outputs depend on are held; no label is needed for it.

Source: Aljundi et al. 2018 (arXiv:1711.09601), equations 2-4, which section 3 lets be
updated with every input; the local version of its section 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from cl_bench.errors import RunError, UsageError
from cl_bench.methods.base import Context
from cl_bench.methods.parts.quadratic import PenaltyMethod, PenaltySettings
from cl_bench.methods.parts.sensitivity import Sensitivity
from cl_bench.streams.task import Task


def _inputs_of(value: object) -> object:
    """Check of ``importance_data``."""
    if value in ("train", "test", "both") or (isinstance(value, str) and value.endswith(".npz")):
        return value
    raise ValueError("must be train, test, both or a file of inputs, FILE.npz")


class MAS(PenaltyMethod):
    """g ← g + 2λ Ω (θ - θ*): the loss gains λ Σ_i Ω_i (θ_i - θ*_i)².

    After a task Ω gains the mean over inputs x of |∂‖F(x; θ)‖² / ∂θ|; the outputs F are those that
    count for the task, so that the head of a task to come has no importance. They may be anything:
    logits, numbers, or an embedding before it is normalised. θ* are the weights after the latest
    task.

    ``scope: local``: every layer's own squared output norm in place of the network's (l-MAS).
    ``absolute: sample`` takes the magnitude of every input's gradient, ``batch`` that of the sum
    over ``importance_batch`` of them, as the authors' code does unless told otherwise. A last batch
    that is smaller counts by its inputs; with ``batch_weights: equal`` every batch's mean counts
    alike, which is what the authors' running mean comes to.
    ``importance_data``: inputs of the task's training set, its test set (without labels), or both;
    or those x of a file, whatever the task: Ω adapts to what the network will meet (section 5.2).
    ``importance_classes``: in place of the task's inputs those of the whole set of these classes.
    ``importance_every``: online, at every so many batches of the task Ω's mean takes in the inputs
    x at the weights of the moment, those of the batch in place of the training set's.
    ``accumulate``: ``sum`` adds the tasks' importances (authors), ``average`` is
    Ω ← alpha·Ω + (1 - alpha)·Ω_task from the second task on, ``separate`` adds them and draws each
    task's to that task's own weights, as EWC does.
    """

    needs = frozenset({"boundaries"})
    needs_with = (("importance_every", None, "task data at its end"),)

    class Settings(PenaltySettings):
        scope: Literal["global", "local"]
        absolute: Literal["sample", "batch"]
        importance_batch: int = Field(ge=1)
        importance_data: Annotated[str, BeforeValidator(_inputs_of)]
        accumulate: Literal["sum", "average", "separate"]
        alpha: float = Field(ge=0, le=1)
        # runs recorded before them lack these
        batch_weights: Literal["inputs", "equal"] = "inputs"
        importance_classes: list[int] | None = None
        importance_every: int | None = Field(default=None, ge=1)

    settings: Settings
    kept = ("total", "count", "batches")

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.function = self.net.function()  # F: of an embedding not what is made of it
        self.sensitivity = Sensitivity(
            self.function,
            settings.scope,
            settings.absolute,
            settings.importance_batch,
            settings.batch_weights,
        )
        if not self.sensitivity.fits():
            raise UsageError(
                f"method.scope=local cannot use model={context.model.name}, which has parameters "
                "outside of linear and convolutional layers; choose model=mlp, small_cnn or lenet"
            )
        if settings.importance_classes is not None and context.scenario.numbers:
            raise UsageError(
                f"method.importance_classes={settings.importance_classes}: "
                "dataset.target=regression has no classes; set it to null"
            )
        data = settings.importance_data
        self.given = context.unlabelled("importance_data", data) if data[-4:] == ".npz" else None
        self.restart()

    def restart(self) -> None:
        """Nothing is measured yet of a task."""
        self.total: Tensor | None = None  # (P,), the sum over the inputs so far
        self.count = self.batches = 0  # these inputs, and the task's batches

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        super().observe(x, y, task)
        self.batches += 1
        if self.settings.importance_every and not self.batches % self.settings.importance_every:
            self.take_in(self.inputs(task, x), task)

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
        """Ω (P,) of the task that ends."""
        if not self.settings.importance_every:
            self.take_in(self.inputs(task), task)
        if self.total is None or not self.count:
            raise RunError(
                f"MAS had no input to measure in {task.name}, of {self.batches} batches; lower "
                "method.importance_every, or name other method.importance_classes"
            )
        mean = self.total.div_(self.count)
        self.restart()
        return mean

    def inputs(self, task: Task, batch: Tensor | None = None) -> Iterator[Tensor]:
        """What Ω is measured on, in blocks; ``batch`` stands for the training set."""
        chosen, classes = self.settings.importance_data, self.settings.importance_classes
        if self.given is not None:
            return self.given(task)
        if chosen == "train" and classes is None and batch is not None:
            return iter([batch])
        splits: tuple[Any, ...] = ("train", "test") if chosen == "both" else (chosen,)
        return chain.from_iterable(self.context.inputs(task, one, classes) for one in splits)

    def take_in(self, blocks: Iterable[Tensor], task: Task) -> None:
        """The sum over inputs of |∂‖F(x; θ)‖² / ∂θ| at the current weights, in evaluation mode."""
        self.train(False)
        if self.total is None:
            self.total = torch.zeros_like(self.net.theta)
        answers = self.function is self.net  # an embedding's outputs count in every task
        visible = self.scenario.visible(task.index) if answers else None
        self.count += self.sensitivity.add(blocks, visible, self.total)
        self.train(True)
