"""Meta-Experience Replay: one-sample SGD steps through replayed samples, then Reptile's step back.

Sources: Riemer et al. 2019 (arXiv:1810.11910), algorithms 1, 6 and 7; the order of the current
sample within a batch follows the authors' code. ``batch`` is MER as Chaudhry et al. compare with
it, from the code of their arXiv:2002.08165 and 2010.11635.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.methods.parts.inner_loop import Rule, make_inner_loop
from cl_bench.streams.task import Task, index_of

log = logging.getLogger("cl_bench")


class MER(Method):
    """For every stream sample: a chain of SGD steps on one sample each, θ ← θ₀ + β (θ - θ₀).

    With n = min(``replay``, |M|) samples drawn anew, with replacement, for every batch:

    - algorithm 1: ``batches`` batches of (current, n replayed); every batch ends with β, all of
      them together with γ;
    - algorithm 6, "one big batch": (n replayed, current), then γ; ``batches`` of them in turn;
    - algorithm 7, "current-example learning rate": current and n replayed in random order, the
      current one's loss times ``multiplier``, then γ; the run's first sample is not learned;
    - ``batch``, 7 with all of the stream's batch as its last step: n different samples, then the
      batch, its mean loss times ``multiplier``, then γ.

    Then the sample, or the batch, is offered to the memory. Without ``batch`` the stream's batches
    are worked off sample by sample. ``clip`` bounds the norm of every gradient (Gupta et al. 2020's
    variant). Samples count with the outputs of the task that they came from, as the scenario has
    it. Running statistics of BatchNorm are interpolated like θ, but for ``batch``.
    """

    memory_needs = frozenset({"stream"})

    class Settings(MethodSettings):
        optimizer: None = None  # the inner loop is its own
        algorithm: Literal[1, 6, 7, "batch"]
        replay: int = Field(ge=0)
        batches: int = Field(ge=1)
        beta: float = Field(ge=0, le=1)
        gamma: float = Field(ge=0, le=1)
        multiplier: float = Field(gt=0)
        clip: float | None = Field(gt=0)
        kernel: Literal["auto", "compiled", "generic"]

    settings: Settings
    kept = ("steps",)

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        rule = Rule(
            lr=settings.lr,
            scale=settings.multiplier if settings.algorithm in (7, "batch") else 1.0,
            clip=settings.clip,
            within={1: settings.beta, 6: settings.gamma, 7: 1.0, "batch": 1.0}[settings.algorithm],
            across=1.0 if settings.algorithm == 6 else settings.gamma,
            batch=settings.algorithm == "batch",
        )
        self.inner_loop, self.reason = make_inner_loop(
            self.net, context.scenario, context.tasks, rule, settings.kernel
        )
        self.kernel = self.inner_loop.kernel
        self.steps = 0

    def begin_task(self, task: Task) -> None:
        if task.stay == 0:
            log.info("%s inner loop: %s", self.kernel, self.reason)

    def observe(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        together = len(y) if self.settings.algorithm == "batch" else 1
        for some_x, some_y in zip(x.split(together), y.split(together), strict=True):
            if self.settings.algorithm != 7 or len(self.memory):
                rows = self.draw_batches()
                self.inner_loop.run(some_x, some_y, index_of(task), self.memory, rows)
                self.steps += rows.numel()
            self.memory.add(some_x, some_y, index_of(task), self.generator)

    def draw_batches(self) -> Tensor:
        """Memory rows (s, n+1) of the batches in the order of their steps, -1 for the current."""
        algorithm = self.settings.algorithm
        batches = 1 if algorithm in (7, "batch") else self.settings.batches
        n = min(self.settings.replay, len(self.memory))
        current = torch.full((batches, 1), -1)
        if n == 0:
            return current
        if algorithm == "batch":
            return torch.cat([self.memory.draw_distinct(n, self.generator)[None], current], 1)
        replayed = self.memory.draw((batches, n), self.generator)
        if algorithm == 1:
            return torch.cat([current, replayed], 1)
        rows = torch.cat([replayed, current], 1)
        if algorithm == 7:
            rows = rows[:, torch.randperm(n + 1, generator=self.generator)]
        return rows

    def diagnostics(self) -> dict[str, Any]:
        """Which code ran the chains, and the number of SGD steps."""
        return {"kernel": self.kernel, "kernel_reason": self.reason, "steps": self.steps}
