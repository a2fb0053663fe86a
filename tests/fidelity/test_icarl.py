"""iCaRL: Rebuffi et al. 2017, with the losses and features of Lopez-Paz & Ranzato's code."""

import numpy as np
import pytest
import torch
from stepping import HEADS, Reference, softmax


class ICaRL(Reference):
    """Cross-entropy and λ Σ_k mean_i KL(p*_i ‖ p_i); the nearest mean of exemplars answers."""

    def __init__(self, run):
        super().__init__(run)
        self.exemplars = {}  # class: samples, the best first
        self.stored = {}  # class: log p* of each, over its task's classes
        self.of = {}  # class: its task
        self.size = run.cfg.memory["size"]

    def counts(self, task):
        counts = np.zeros(self.run.stream.classes, dtype=bool)
        counts[list(task.classes)] = True
        return counts

    def observe(self, x, y, task):
        g = self.net.gradient(x, y, self.counts(task))
        if self.exemplars:
            sizes = np.array([len(held) for held in self.exemplars.values()])
            u = torch.rand(len(sizes), generator=self.random).numpy()
            for label, row in zip(self.exemplars, (u * sizes).astype(int), strict=True):
                e, past = self.exemplars[label][row : row + 1], self.of[label]
                wanted = self.stored[label][row : row + 1]
                # KL(p* ‖ p) has the derivative p - p* by the outputs
                delta = softmax(self.net.logits(e), self.counts(past)) - wanted
                g = g + self.s["strength"] / len(past.classes) * self.net.backward(e, delta)
        self.step(g)

    def end_task(self, task):
        x, y = self.samples()
        m = self.size // (len(self.exemplars) + len(task.classes))
        if self.run.cfg.memory["trim"]:
            self.exemplars = {label: held[:m] for label, held in self.exemplars.items()}
        for label in task.classes:
            mine = x[y == label]
            features = self.net.logits(mine)[:, list(task.classes)]
            self.exemplars[label], self.of[label] = mine[herd(features, m)], task
        for label, held in self.exemplars.items():
            self.stored[label] = softmax(self.net.logits(held), self.counts(self.of[label]))

    def logits(self, x, task):
        """Minus the distances to the means, of the classes that have exemplars."""
        outputs, scores = self.net.logits(x), np.full((len(x), self.run.stream.classes), -np.inf)
        for label, held in self.exemplars.items():
            mean = self.net.logits(held).mean(0)
            scores[:, label] = -np.linalg.norm(outputs - mean, axis=1)
        return scores


def herd(features, m):
    picks, total = [], 0
    for k in range(1, min(m, len(features)) + 1):
        distance = np.linalg.norm(features.mean(0) - (total + features) / k, axis=1)
        distance[picks] = np.inf
        picks.append(int(distance.argmin()))
        total = total + features[picks[-1]]
    return picks


def test_as_the_gem_authors_have_it(agrees):
    """Nothing is trimmed; without BatchNorm it makes no difference what is passed together."""
    words = "memory.trim=false", "method.passes=apart", "method.untrained=uniform"
    agrees(ICaRL, "method=icarl", "memory.size=25", *words, *HEADS)


@pytest.mark.parametrize("size", [200, 25])
def test_exemplars(agrees, size):
    agrees(ICaRL, "method=icarl", f"memory.size={size}", "method.strength=2", *HEADS)
