"""ER: Chaudhry et al. 2019 (arXiv:1902.10486); algorithms 4 and 5 of Riemer et al. 2019."""

import numpy as np
import pytest
import torch
from stepping import STREAMS, Reference, Reservoir, error


class ER(Reference):
    """One step on the batch and on samples of a reservoir."""

    def __init__(self, run):
        super().__init__(run)
        self.memory = Reservoir(run.cfg.memory, self.random)

    def observe(self, x, y, task):
        held, n = self.memory.held, min(self.s["replay"], len(self.memory.held))
        if n == 0:
            rows = []
        elif self.s["draw"] == "with_replacement":
            rows = torch.randint(len(held), (n,), generator=self.random).tolist()
        else:
            rows = torch.randperm(len(held), generator=self.random)[:n].tolist()
        batch = [*zip(x, y, [task.index] * len(y), strict=True), *(held[row] for row in rows)]
        xs, ys, tasks = (np.array(part) for part in zip(*batch, strict=True))
        counts = None
        if self.counts(task) is not None:
            counts = np.stack([self.counts(self.run.stream.tasks[t]) for t in tasks])
        delta = error(self.net.logits(xs), ys, counts)
        if self.s["balance"] == "task":  # the sum of the tasks' means
            delta /= np.array([(tasks == t).sum() for t in tasks])[:, None]
        else:
            delta /= len(ys)
        self.step(self.net.backward(xs, delta))
        for sample in zip(x, y, [task.index] * len(y), strict=True):
            self.memory.add(sample)


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("balance", ["none", "task"])
@pytest.mark.parametrize("draw", ["with_replacement", "without_replacement"])
def test_replay(agrees, stream, balance, draw):
    words = f"method.balance={balance}", f"method.draw={draw}", "memory.size=30"
    agrees(ER, "method=er", "method.lr=0.05", *words, *stream)


@pytest.mark.parametrize("whose", ["authors", "er_authors"])
def test_the_authors_reservoirs(agrees, whose):
    words = f"memory.acceptance={whose}", "memory.size=20"
    agrees(ER, "method=er", *words, *STREAMS["one head"])
