"""Which outputs of the network count, what they should be, and what is known of the task: the
one place for all three.

- ``domain``: one shared head, every output counts in every task;
- ``task``: the task is known in tests, its own classes count (multi-head);
- ``class``: the task is unknown in tests, all classes seen so far count.

The three scenarios are van de Ven & Tolias' (arXiv:1904.07734). What is known of the task is a
choice of its own: Lopez-Paz & Ranzato 2017 tell it in tests of one shared head too, and a stream
without boundaries (``task_identity: none``) tells it nowhere.

Where the targets are numbers (``target: regression``) each output should be one of them: the loss
is the mean squared error, and R² takes the place of the accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.streams.base import Stream
from cl_bench.streams.task import Task


class Scenario:
    """Masks for one run; the runner says what is learned before the method learns it.

    Classes count as seen from the beginning of their task; where no task is told, from the first
    batch with a sample of theirs.
    """

    def __init__(self, stream: Stream, device: torch.device) -> None:
        self.kind = stream.settings.scenario
        self.identity = stream.settings.task_identity
        self.loss_outputs = stream.settings.loss_outputs
        self.numbers = stream.settings.target == "regression"
        owned = torch.zeros(len(stream.tasks), stream.classes, dtype=torch.bool)
        for task in stream.tasks:
            owned[task.index, list(task.classes)] = True
        self.classes = int(owned.any(0).sum())  # that the tasks have between them
        self.disjoint = int(owned.sum()) == self.classes  # no class is in two tasks
        self._owned = owned.to(device)
        self._seen: Tensor | None = None  # of the untrained network every output counts

    # -- what the method is told -----------------------------------------------------------------

    def in_training(self, task: Task) -> Task | None:
        """What a method is told of the task while it learns it."""
        return None if self.identity == "none" else task

    def in_tests(self, task: Task) -> Task | None:
        """What a method is told of the task of a test input."""
        return task if self.identity == "test" else None

    # -- what has been seen ----------------------------------------------------------------------

    def begin_task(self, task: Task) -> None:
        """The task's batches follow."""
        if self.identity != "none":
            owned = self._owned[task.index]
            self._seen = owned if self._seen is None else self._seen | owned

    def observe(self, y: Tensor) -> None:
        """Samples with the labels y (b,) are about to be learned."""
        if self.identity == "none" and self.kind == "class":
            if self._seen is None:
                self._seen = torch.zeros_like(self._owned[0])
            self._seen[y] = True

    # -- which outputs count ---------------------------------------------------------------------

    def while_learning(self) -> Scenario:
        """What a method learns by: this one, or one in which every output counts in the loss and
        masks are for tests alone (``loss_outputs=all``; Buzzega et al. 2020, arXiv:2004.07211)."""
        if self.loss_outputs == "scenario":
            return self
        other = copy(self)
        other.kind = "domain"
        return other

    def multi_head(self) -> Scenario:
        """The same tasks in the scenario ``task``: the classes of one task count."""
        other = copy(self)
        other.kind = "task"
        return other

    def visible(self, tasks: int | Tensor) -> Tensor | None:
        """Outputs that count for the given task indices, bool (C,) or (n, C); None: all of them.

        The indices matter in the scenario ``task`` alone, where they are never unknown.
        """
        if self.kind == "task":
            return self._owned[tasks]
        if self.kind == "domain" or self._seen is None:
            return None
        return self._seen if isinstance(tasks, int) else self._seen.expand(len(tasks), -1)

    def mask(self, logits: Tensor, tasks: int | Tensor) -> Tensor:
        """``logits`` (n, C) with -inf where an output does not count for its sample's task."""
        visible = self.visible(tasks)
        return logits if visible is None else logits.masked_fill(~visible, -torch.inf)

    def loss(self, logits: Tensor, labels: Tensor, tasks: int | Tensor) -> Tensor:
        """Cross-entropy of every sample, (n,), over the outputs that count for it; of numbers
        ``labels`` (n, C) the mean squared error over the outputs."""
        if self.numbers:
            return (logits - labels).square().mean(1)
        logits = self.mask(logits, tasks)
        if by_class(logits):  # equal numbers, several samples at a time
            return F.nll_loss(logits.t().log_softmax(0).t(), labels, reduction="none")
        return F.cross_entropy(logits, labels, reduction="none")

    # -- how good the answers are ----------------------------------------------------------------

    def tally(self, logits: Tensor, labels: Tensor, tasks: int | Tensor) -> Tensor:
        """What :meth:`score` needs to know of some test samples, to be summed over all: how many
        are answered right; of numbers the squared errors Σ (y - ŷ)², float64 (C,)."""
        if self.numbers:
            return (logits.double() - labels).square().sum(0)
        return (self.mask(logits, tasks).argmax(1) == labels).sum()

    def score(self, tally: float | Sequence[float], labels: Tensor) -> float:
        """The accuracy on the test samples with these ``labels`` (n,). Of numbers (n, C) R²: the
        mean over outputs of 1 - Σ (y - ŷ)² / Σ (y - ȳ)², ȳ the mean of the test targets."""
        if isinstance(tally, int | float):
            return tally / len(labels)
        errors = torch.tensor(tally, dtype=torch.float64, device=labels.device)
        return float((1 - errors / spread(labels)).mean())


def spread(numbers: Tensor) -> Tensor:
    """Σ (y - ȳ)² of numbers (n, C), float64 (C,)."""
    numbers = numbers.double()
    return (numbers - numbers.mean(0)).square().sum(0)


def by_class(logits: Tensor) -> bool:
    """Whether the logits (n, C) of each class lie beside each other, not those of each sample."""
    return logits.t().is_contiguous() and not logits.is_contiguous()
