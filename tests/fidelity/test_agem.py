"""A-GEM: Chaudhry et al. 2019, equation 11, with the ring per class of their code."""

import numpy as np
import pytest
import torch
from stepping import STREAMS, Reference


class AGEM(Reference):
    """g ← g - (g·r / r·r) r where g·r < 0; r of a random batch of all past tasks together."""

    def __init__(self, run):
        super().__init__(run)
        self.rings = {}  # (task, label): samples, slot by slot
        self.given = {}
        self.share = run.cfg.memory["size"] // (self.tasks * run.cfg.memory["classes"])
        self.projected = 0

    def observe(self, x, y, task):
        g = self.net.gradient(x, y, self.counts(task))
        if task.index > 0:
            r = self.reference_gradient(task.index)
            if g @ r < 0:
                g = g - (g @ r) / (r @ r) * r
                self.projected += 1
        self.step(g)
        for label in np.unique(y):
            ring = self.rings.setdefault((task.index, label), {})
            for sample in x[y == label]:
                slot = self.given[task.index, label] = self.given.get((task.index, label), -1) + 1
                ring[slot % self.share] = sample

    def reference_gradient(self, tasks):
        held = [
            (ring[slot], label, self.counts(self.run.stream.tasks[task]))
            for (task, label), ring in self.rings.items()
            if task < tasks
            for slot in sorted(ring)
        ]
        order = torch.randperm(len(held), generator=self.random)[: self.s["reference"]]
        drawn = [held[i] for i in order.tolist()]
        x, y = np.stack([x for x, *_ in drawn]), np.array([y for _, y, _ in drawn])
        counts = None if drawn[0][2] is None else np.stack([counts for *_, counts in drawn])
        return self.net.gradient(x, y, counts)

    def end_task(self, task):
        assert task.index == 0 or self.projected


@pytest.mark.parametrize(
    ("stream", "memory"),
    [
        (STREAMS["one head"], ("memory.size=120", "memory.classes=10")),
        (STREAMS["heads"], ("memory.size=60", "memory.classes=2")),
    ],
    ids=STREAMS,
)
def test_the_projection(agrees, stream, memory):
    words = "method=agem", "memory=class_ring", "method.reference=20"
    agrees(AGEM, *words, *memory, *stream)
