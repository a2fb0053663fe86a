"""GEM: Lopez-Paz & Ranzato 2017, equations 8-11; bound, eps and the ring as in their code."""

from itertools import product

import numpy as np
import pytest
from stepping import DOMAIN, STREAMS, Reference


def solve(P, q, lower):
    """argmin_v ½ vᵀPv + qᵀv with v ≥ lower: every set of active bounds is tried."""
    best, found = np.inf, None
    for active in product([False, True], repeat=len(q)):
        free = ~np.array(active)
        v = np.full(len(q), lower)
        if free.any():
            rest = q[free] + P[np.ix_(free, ~free)] @ v[~free]
            v[free] = np.linalg.solve(P[np.ix_(free, free)], -rest)
        value = v @ P @ v / 2 + q @ v
        if (v >= lower - 1e-15).all() and value < best:
            best, found = value, v
    return found


class GEM(Reference):
    """g ← g + Gᵀv where a past task's gradient and g have a negative product."""

    def __init__(self, run):
        super().__init__(run)
        self.share = run.cfg.memory["size"] // self.tasks
        self.x = [{} for _ in range(self.tasks)]  # slot: sample
        self.cursor = 0
        self.projected = 0

    def remember(self, x, y, task):
        if not self.run.cfg.memory["authors_cursor"]:
            self.x[task.index] |= dict(enumerate(zip(x, y, strict=True), start=self.cursor))
            self.cursor += len(y)
            for slot in range(self.cursor - self.share):
                self.x[task.index].pop(slot, None)
            return
        n = min(self.cursor + len(y), self.share) - self.cursor  # what does not fit is dropped
        for slot in range(n):
            self.x[task.index][self.cursor + slot] = x[slot], y[slot]
        self.cursor = (self.cursor + n) % self.share

    def begin_task(self, task):
        if not self.run.cfg.memory["authors_cursor"]:
            self.cursor = 0

    def observe(self, x, y, task):
        self.remember(x, y, task)
        g = self.net.gradient(x, y, self.counts(task))
        if task.index > 0:
            G = np.stack([self.past(k) for k in self.run.stream.tasks[: task.index]])
            if (G @ g < 0).any():
                bound = self.s["margin_rule"] == "bound"
                P = G @ G.T + self.s["eps"] * np.eye(len(G))
                v = solve(P, G @ g, self.s["margin"] if bound else 0.0)
                g = g + G.T @ (v if bound else v + self.s["margin"])
                self.projected += 1
        self.step(g)

    def past(self, task):
        x, y = zip(*self.x[task.index].values(), strict=True)
        return self.net.gradient(np.stack(x), np.array(y), self.counts(task))

    def end_task(self, task):
        assert task.index == 0 or self.projected


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("rule", ["bound", "added"])
def test_projections(agrees, stream, rule):
    words = f"method.margin_rule={rule}", "method.margin=0.3", "memory.size=60"
    agrees(GEM, "method=gem", "method.lr=0.05", *words, *stream)


def test_the_authors_ring(agrees):
    """One write position for all tasks; 13 is no multiple of the batches of 5."""
    words = "memory.size=52", "memory.authors_cursor=true", "method.lr=0.05"
    agrees(GEM, "method=gem", *words, *DOMAIN)
