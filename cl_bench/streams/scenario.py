"""Which outputs of the network count: the one place where classes are masked.

- ``domain``: one shared head, every output counts in every task;
- ``task``: the task's identity is known, its own classes count (multi-head);
- ``class``: no task identity, all classes seen so far count.

The three scenarios are van de Ven & Tolias' (arXiv:1904.07734).
"""

from __future__ import annotations

from copy import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.streams.base import Stream
from cl_bench.streams.task import Task


class Scenario:
    """Masks for one run; the runner calls :meth:`begin_task` before a task is learned."""

    def __init__(self, stream: Stream, device: torch.device) -> None:
        self.kind = stream.settings.scenario
        owned = torch.zeros(len(stream.tasks), stream.classes, dtype=torch.bool)
        for task in stream.tasks:
            owned[task.index, list(task.classes)] = True
        self.classes = int(owned.any(0).sum())  # that the tasks have between them
        self.disjoint = int(owned.sum()) == self.classes  # no class is in two tasks
        self._owned = owned.to(device)
        self._seen: Tensor | None = None  # of the untrained network every output counts

    def begin_task(self, task: Task) -> None:
        owned = self._owned[task.index]
        self._seen = owned if self._seen is None else self._seen | owned

    def multi_head(self) -> Scenario:
        """The same tasks in the scenario ``task``: the classes of one task count."""
        other = copy(self)
        other.kind = "task"
        return other

    def visible(self, tasks: int | Tensor) -> Tensor | None:
        """Outputs that count for the given task indices, bool (C,) or (n, C); None: all of them."""
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
        """Cross-entropy of every sample, (n,), over the outputs that count for it."""
        return F.cross_entropy(self.mask(logits, tasks), labels, reduction="none")
