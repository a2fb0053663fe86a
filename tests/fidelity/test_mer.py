"""MER: Riemer et al. 2019, algorithms 1, 6 and 7, the order of samples as in their code; and as
Chaudhry et al. have it in the code of arXiv:2002.08165."""

import numpy as np
import pytest
import torch
from stepping import STREAMS, Reference, Reservoir


class MER(Reference):
    """Chains of SGD steps on one sample each, and steps back."""

    def __init__(self, run):
        super().__init__(run)
        self.memory = Reservoir(run.cfg.memory, self.random)

    def observe(self, x, y, task):
        for sample in zip(x, y, [task] * len(y), strict=True):
            if self.s["algorithm"] != 7 or self.memory.held:
                self.learn(sample)
            self.memory.add(sample)

    def learn(self, sample):
        s, start = self.s, self.theta.copy()
        for chain in self.chains(sample):
            before = self.theta.copy()
            for x, y, task, factor in chain:
                self.one_step(x, y, task, factor)
            if s["algorithm"] != 7:
                within = s["beta"] if s["algorithm"] == 1 else s["gamma"]
                self.net.theta = before + within * (self.theta - before)
        if s["algorithm"] != 6:
            self.net.theta = start + s["gamma"] * (self.theta - start)

    def one_step(self, x, y, task, factor):
        g = factor * self.net.gradient(x[None], np.array([y]), self.counts(task))
        if self.s["clip"] is not None:
            g = g * min(1.0, self.s["clip"] / (np.linalg.norm(g) + 1e-6))
        self.step(g)

    def chains(self, sample):
        """The current sample first (1), last (6), or anywhere and weighted (7)."""
        s, held = self.s, self.memory.held
        n = min(s["replay"], len(held))
        batches = 1 if s["algorithm"] == 7 else s["batches"]
        current = (*sample, s["multiplier"] if s["algorithm"] == 7 else 1.0)
        if n == 0:
            return [[current]] * batches
        rows = torch.randint(len(held), (batches, n), generator=self.random).tolist()
        replayed = [[(*held[row], 1.0) for row in batch] for batch in rows]
        if s["algorithm"] == 1:
            return [[current, *batch] for batch in replayed]
        chains = [[*batch, current] for batch in replayed]
        if s["algorithm"] == 7:
            order = torch.randperm(n + 1, generator=self.random).tolist()
            chains = [[chains[0][i] for i in order]]
        return chains


class WithTheBatch(MER):
    """As Chaudhry et al. compare with it: replayed samples in turn, the stream's batch, γ."""

    def observe(self, x, y, task):
        s, held, start = self.s, self.memory.held, self.theta.copy()
        if held:
            for row in torch.randperm(len(held), generator=self.random)[: s["replay"]].tolist():
                self.one_step(*held[row], 1.0)
        self.step(s["multiplier"] * self.net.gradient(x, y, self.counts(task)))
        self.net.theta = start + s["gamma"] * (self.theta - start)
        for sample in zip(x, y, [task] * len(y), strict=True):
            self.memory.add(sample)


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize(
    "algorithm",
    [
        ("method.algorithm=1", "method.beta=0.1", "method.gamma=0.5", "method.batches=2"),
        ("method.algorithm=6", "method.gamma=0.3", "method.batches=2"),
        ("method.algorithm=7", "method.gamma=0.3", "method.multiplier=3"),
        ("method.algorithm=1", "method.beta=0.1", "method.batches=2", "method.clip=0.5"),
    ],
    ids=["1", "6", "7", "clipped"],
)
def test_chains(agrees, stream, algorithm):
    words = "method.replay=4", "memory.size=20", "memory.acceptance=authors", *stream
    short = "dataset.samples_per_task=15", "dataset.batch_size=1"
    agrees(MER, "method=mer", "method.lr=0.05", *algorithm, *words, *short)


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_the_whole_batch_in_one_step(agrees, stream):
    words = "method.replay=4", "memory.size=20", "memory.acceptance=er_authors", *stream
    rule = "method.algorithm=batch", "method.gamma=0.3", "method.multiplier=3"
    agrees(WithTheBatch, "method=mer", "method.lr=0.05", *rule, *words, "dataset.batch_size=7")
