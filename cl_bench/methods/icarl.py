"""iCaRL: herded exemplars, distillation on them, and the nearest class mean as classifier.

Sources: Rebuffi et al. 2017 (arXiv:1611.07725); the losses and the features are those of the
baseline "iCaRL" of Lopez-Paz & Ranzato 2017, from whose code its published numbers come.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.memory.exemplars import Exemplars
from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.methods.parts.herding import herd
from cl_bench.streams.task import Task

CHUNK = 500  # samples that go through the network at a time


class ICaRL(Method):
    """Loss: mean cross-entropy + λ Σ_k mean_i KL(p*_i ‖ p_i) over one exemplar i per past class.

    p*_i are the outputs for exemplar i when the last task ended, p_i the present ones; k runs over
    the past tasks, i over the exemplars drawn of k's classes. Both losses are among the classes of
    one task, also where tasks are unknown in the test. When a task ends, its classes' exemplars
    are herded among all its samples, the memory cuts older classes, and all p* are computed anew.

    A sample belongs to the class whose exemplars' mean output is nearest (Euclidean distance, all
    C outputs, not normalised; the iCaRL paper takes normalised features of the layer below): of all
    classes seen, where the task is unknown. For a task whose classes have no exemplars yet the
    network's own outputs answer (``untrained: outputs``), or, as in the GEM authors' code, all
    classes alike (``uniform``), so that the first of them is taken and FWT is 0 by construction.

    ``passes``: what goes through the network together, which matters where it has BatchNorm.
    ``together``: exemplars are chosen and described in evaluation mode, as a test sees them, and
    those of all past tasks are distilled in one batch. ``apart`` (GEM authors' code): in training
    mode, each class's samples as one batch, and anew after each pick those picked so far; in
    distillation each past task's exemplars are a batch.
    """

    memory_needs = frozenset({"class exemplars"})
    needs = frozenset(
        {"boundaries", "identity in training", "task data at its end", "classes per task",
         "one stay per task", "an output per class", "classes"}
    )  # fmt: skip

    class Settings(MethodSettings):
        strength: float = Field(ge=0)
        # runs recorded before them lack these
        passes: Literal["together", "apart"] = "together"
        untrained: Literal["outputs", "uniform"] = "outputs"

    settings: Settings
    kept = ("targets",)
    memory: Exemplars

    def __init__(self, settings: Settings, context: Context) -> None:
        if context.memory.size < context.scenario.classes:
            raise UsageError(
                f"memory.size={context.memory.size}: less than one exemplar for each of "
                f"{context.scenario.classes} classes; give it at least that many"
            )
        super().__init__(settings, context)
        self.heads = context.scenario.multi_head()
        self.targets: Tensor | None = None  # log p* (n, C) of all exemplars, -inf: does not count
        self._means: Tensor | None = None  # of the exemplars at the present weights, on demand

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        self._means = None
        loss = self.heads.loss(self.net(x), y, task.index).mean()
        if self.targets is not None:
            loss = loss + self.settings.strength * self.distillation()
        self.net.gradient(loss)
        self.step()

    def distillation(self) -> Tensor:
        """Σ_k mean_i KL(p*_i ‖ p_i): one random exemplar i of every class, k the past tasks."""
        rows = self.memory.one_per_class(self.generator).to(self.device)
        tasks = torch.tensor(self.memory.tasks)
        weights = (1 / tasks.bincount()[tasks]).to(self.device)
        wanted = self.targets[rows]
        counting = wanted.isfinite()
        parts = tasks.unique_consecutive(return_counts=True)[1].tolist()
        batches = rows.split(parts) if self.settings.passes == "apart" else [rows]
        outputs = torch.cat([self.net(self.memory.x[batch]) for batch in batches])
        outputs = outputs.masked_fill(~counting, -torch.inf).log_softmax(1)
        terms = torch.where(counting, wanted.exp() * (wanted - outputs), 0.0)
        return weights @ terms.sum(1)

    @torch.no_grad()
    def end_task(self, task: Task) -> None:
        self._means = None
        apart = self.settings.passes == "apart"
        self.train(apart)
        x, y = self.first_samples(task, len(task.train))
        share, chosen = self.memory.share(len(task.classes)), []
        for label in task.classes:
            rows = (y == label).nonzero().flatten()
            if len(rows):  # few samples may leave a class without any
                chosen.append(rows[self.herded(x[rows], share, list(task.classes))])
        order = torch.cat(chosen)
        self.memory.add(x[order], y[order], task.index)
        held = self.memory.x[: len(self.memory)]
        parts = held.split(self.memory.counts) if apart else [held]
        outputs = torch.cat([self.outputs(part, len(held) if apart else CHUNK) for part in parts])
        task_ids = self.memory.task_ids(self.memory.rows()).to(self.device)
        self.targets = self.heads.mask(outputs, task_ids).log_softmax(1)
        self.train(True)

    def herded(self, x: Tensor, share: int, classes: list[int]) -> Tensor:
        """Positions of the ``share`` samples to keep of one class's x (n, *input_shape)."""
        if self.settings.passes == "together":
            return herd(self.outputs(x)[:, classes], share)
        mean = self.net(x)[:, classes].mean(0)
        features = self.net(x)[:, classes]
        return herd(features, share, mean, lambda picks: self.net(x[picks])[:, classes].sum(0))

    @torch.no_grad()
    def logits(self, x: Tensor, task: Task | None) -> Tensor:
        """Minus the distance to every class's mean, -inf for classes without exemplars."""
        outputs, known = self.net(x), set(self.memory.classes)
        if not (known if task is None else known.issuperset(task.classes)):
            return outputs if self.settings.untrained == "outputs" else torch.zeros_like(outputs)
        scores = torch.full_like(outputs, -torch.inf)
        scores[:, self.memory.classes] = -torch.cdist(outputs, self.class_means())
        return scores

    def answers(self, task: Task | None) -> Callable[[Tensor], Tensor]:
        if self.memory.counts:
            self.class_means()  # once, before several threads ask for them
        return partial(self.logits, task=task)

    def class_means(self) -> Tensor:
        """Mean output (classes, C) of every class's exemplars, in the memory's order."""
        if self._means is None:
            outputs = self.outputs(self.memory.x[: len(self.memory)])
            sums = outputs.new_zeros(len(self.memory.counts), outputs.shape[1])
            sums.index_add_(0, self.memory.positions().to(self.device), outputs)
            self._means = sums / torch.tensor(self.memory.counts, device=self.device)[:, None]
        return self._means

    def outputs(self, x: Tensor, chunk: int = CHUNK) -> Tensor:
        """The network's outputs (n, C), ``chunk`` samples at a time."""
        return torch.cat([self.net(part) for part in x.split(chunk)])
