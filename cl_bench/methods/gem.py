"""Gradient Episodic Memory: a step may not raise the loss on any past task's memory.

Source: Lopez-Paz & Ranzato 2017 (arXiv:1706.08840), algorithm 1 and equations 8-11.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.methods.parts.dual import solve_dual
from cl_bench.network.per_group import Gradients, Groups
from cl_bench.streams.task import Task


class GEM(Method):
    """g ← g + Gᵀv where the rows of G (t-1, P) are the past tasks' gradients: of all tasks seen but
    the one at hand, which may have come before.

    If g·g_k < 0 for any past task k, v minimises ½ vᵀ(GGᵀ + eps·I)v + (Gg)ᵀv. ``margin`` γ pulls
    further towards the past: with ``margin_rule: bound`` it is the lower bound of v in the
    program (the authors' code, which the published numbers come from), with ``added`` it is added
    to the solution for v ≥ 0 (the paper's text). The authors form GGᵀ in float64; here it is
    float32 like the gradients, and the program alone is solved in float64.
    """

    memory_needs = frozenset({"task blocks"})
    needs = frozenset({"identity in training"})

    class Settings(MethodSettings):
        margin: float = Field(ge=0)
        margin_rule: Literal["bound", "added"]
        eps: float = Field(ge=0)

    settings: Settings
    kept = ("count", "violations")
    counts: ClassVar[tuple[str, ...]] = ("steps", "violated_steps", "fallbacks", "unsolved")

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.G = torch.zeros(context.tasks, self.net.size, device=context.device)
        self.count = dict.fromkeys(self.counts, 0)
        self.violations = torch.zeros(context.tasks, dtype=torch.int64)  # per past task
        self._past: tuple[Groups, Tensor, Tensor] | None = None  # samples, labels, task ids

    def begin_task(self, task: Task) -> None:
        self._past = None

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        self.memory.add(x, y, task.index)
        past = [other for other in self.memory.tasks if other != task.index]
        before = self.past_gradients(past) if past else None
        now = self.gradient_of_batch(x, y, task)
        now.formed()
        if before is not None:
            self.project(now, before, past)
        self.step()

    def gradient_of_batch(self, x: Tensor, y: Tensor, task: Task) -> Gradients:
        """g (1, P), in ``net.grad`` once it is formed."""

        def sample_loss(logits: Tensor, part: slice) -> Tensor:
            return self.scenario.loss(logits, y[part], task.index)

        return self.net.group_gradients(self.net.one_group(x), sample_loss, self.net.grad[None])

    def past_gradients(self, past: Sequence[int]) -> Gradients:
        """G (past, P): each past task's gradient on its memory at the current weights."""
        if self._past is None:  # the first batch of a task has made room for all of it
            x, y, counts = self.memory.blocks(past)
            task_ids = torch.tensor(past, device=self.device).repeat_interleave(y.shape[1])
            self._past = self.net.groups(x, counts), y.flatten(0, 1).clone(), task_ids
        groups, labels, task_ids = self._past

        def sample_loss(logits: Tensor, part: slice) -> Tensor:
            return self.scenario.loss(logits, labels[part], task_ids[part])

        return self.net.group_gradients(groups, sample_loss, self.G[: len(past)])

    def project(self, now: Gradients, before: Gradients, past: Sequence[int]) -> None:
        """g ← g + Gᵀv in place if a constraint is violated; else g stays as it is, bit for bit.

        ``now`` is g (1, P), ``before`` G, and ``past`` are the tasks of its rows.
        """
        self.count["steps"] += 1
        inner = before.inner(now)[:, 0].cpu()  # all that a GPU is waited for in the usual step
        violated = inner < 0
        if not violated.any():
            return
        self.count["violated_steps"] += 1
        self.violations[list(past)] += violated
        g, G = now.formed()[0], before.formed()
        halves = G.tensor_split(2, 1)  # for two threads, whose number has no say in it
        gram = torch.stack(self.net.workers.map(lambda half: half @ half.t(), halves)).sum(0).cpu()
        bound = self.settings.margin_rule == "bound"
        lower, added = (self.settings.margin, 0.0) if bound else (0.0, self.settings.margin)
        try:
            v, solved = solve_dual(gram.numpy(), inner.numpy(), lower, self.settings.eps)
        except FloatingPointError:
            self.count["unsolved"] += 1  # the run is diverging; the runner will say so
            return
        self.count["fallbacks"] += not solved
        g.addmv_(G.t(), torch.from_numpy(v + added).to(g.dtype).to(g.device))

    def diagnostics(self) -> dict[str, Any]:
        """How often a constraint was violated, in all and per past task, and how it was solved."""
        return {**self.count, "violations_per_past_task": self.violations.tolist()}
