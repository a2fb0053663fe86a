"""APD: Yoon et al. 2020, equations 1-3, with the details of their code."""

import numpy as np
import pytest
import torch
from stepping import HEADS, Reference

# Adam divides by √v̂ + eps: with 1e-8 a gradient that is rounding alone makes a visible step
SMALL = (
    *HEADS, "dataset.batch_size=10", "dataset.epochs=2", "method.lr=0.005", "method.l1=0.002",
    "method.select=0", "method.gap=0.05", "method.consolidate_every=2", "method.clusters=1",
    "method.optimizer.eps=1e-3",
)  # fmt: skip


class APD(Reference):
    """θ_t = σ ⊗ sigmoid(v_t) + τ_t + σ̃_t; Adam on σ and every τ_i and v_i."""

    def __init__(self, run):
        super().__init__(run)
        net = self.net
        self.first = net.theta.copy()
        ends = np.cumsum([0, *(int(np.prod(shape)) for shape in net.shapes)])
        weights = list(zip(net.shapes[::2], ends[::2], strict=False))
        self.layers = [slice(at, at + int(np.prod(shape))) for shape, at in weights[:-1]]
        self.shared = np.zeros(len(net.theta), dtype=bool)
        self.unit = np.zeros(len(net.theta), dtype=int)  # that a shared weight leads to
        self.widths = [shape[0] for shape, _ in weights[:-1]]
        for part, width, offset in zip(
            self.layers, self.widths, np.cumsum([0, *self.widths]), strict=False
        ):
            self.shared[part] = True
            self.unit[part] = offset + np.repeat(
                np.arange(width), (part.stop - part.start) // width
            )
        classes = net.shapes[-1][0]
        self.head = slice(weights[-1][1], None)
        self.output = np.r_[
            np.repeat(np.arange(classes), net.shapes[-2][1]), np.arange(classes)
        ]  # of every entry of the head
        self.sigma = self.first * self.shared
        self.tau, self.v, self.local = [], [], []
        self.centroids = np.zeros((0, len(net.theta)))
        self.values, self.replaced = [], 0  # σ̃ of every group and layer; entries of earlier ones

    @property
    def theta(self):
        return np.concatenate([self.sigma, *self.tau, *self.v])

    def mask(self, v):
        return np.where(self.shared, (1 / (1 + np.exp(-v)))[self.unit], 0.0)

    def compose(self, i, small=0.0):
        """θ_i; what is small in τ and σ̃ counts as zero."""
        tau, local = self.pruned(self.tau[i], small), self.pruned(self.local[i], small)
        return self.sigma * self.mask(self.v[i]) + tau + local

    def pruned(self, values, small):
        return np.where(self.shared & (np.abs(values) <= small), 0.0, values)

    def begin_task(self, task):
        self.past = [self.compose(i) for i in range(len(self.tau))]
        self.sigma_before = self.sigma.copy()
        own = np.where(self.shared, 0.0, self.first)
        if self.s["own_init"] == "drawn":  # equal weights to start from
            own = np.where(self.shared, 0.0, self.run.method.tau[-1].numpy())
        own[self.head] *= self.counts(task)[self.output]
        self.tau.append(own + (self.sigma if self.s["tau_init"] == "shared" else 0))
        drawn = torch.randn(sum(self.widths), generator=self.random).numpy()
        self.v.append(drawn / np.sqrt(np.repeat(self.widths, self.widths)))
        self.local.append(np.zeros_like(self.sigma))
        self.trained = range(len(self.tau)) if self.s["retroactive"] else [len(self.tau) - 1]
        self.moments, self.steps = {}, 0

    def observe(self, x, y, task):
        s, t = self.s, len(self.tau) - 1
        l1 = s["l1"] if s["sparsity"] == "subgradient" else 0.0
        self.net.theta = self.compose(t)
        by_theta = {t: self.net.gradient(x, y, self.counts(task))}
        if s["retroactive"]:
            for i in range(t):
                by_theta[i] = 2 * s["drift"] * (self.compose(i) - self.past[i])
        gradients = {"sigma": sum(g * self.mask(self.v[i]) for i, g in by_theta.items())}
        for i, g in by_theta.items():
            gradients["tau", i] = g + l1 * np.sign(self.tau[i]) * self.shared
            m = self.mask(self.v[i])
            gradients["v", i] = np.bincount(
                self.unit[self.shared], (g * self.sigma * m * (1 - m))[self.shared]
            )
        gradients["tau", t] += s["weight_decay"] * self.tau[t] * self.shared
        gradients["v", t] += s["weight_decay"] * self.v[t]
        if t == 0:
            gradients["sigma"] += s["weight_decay"] * self.sigma
        elif not s["retroactive"]:
            gradients["sigma"] += 2 * s["drift"] * (self.sigma - self.sigma_before)
        self.adam(gradients)

    def adam(self, gradients):
        passes = self.steps // (self.run.stream.batches(self.run.stream.tasks[0]) // 2)
        lr = self.lr * self.s["optimizer"]["decay"] ** passes
        self.steps += 1
        for name, g in gradients.items():
            m, u = self.moments.get(name, (0, 0))
            m, u = self.moments[name] = 0.9 * m + 0.1 * g, 0.999 * u + 0.001 * g**2
            m, u = m / (1 - 0.9**self.steps), u / (1 - 0.999**self.steps)
            held = self.sigma if name == "sigma" else getattr(self, name[0])[name[1]]
            metric = np.sqrt(u) + self.s["optimizer"]["eps"]
            held -= lr * m / metric
            if self.s["sparsity"] == "proximal" and name[0] == "tau":
                shrunk = np.maximum(np.abs(held) - lr * self.s["l1"] / metric, 0)
                held[self.shared] = (np.sign(held) * shrunk)[self.shared]

    def end_task(self, task):
        every = self.s["consolidate_every"]
        if every is not None and (task.index + 1) % every == 0:
            self.consolidate(self.s["clusters"] * (task.index + 1) // every)
        if self.s["prune"] == "task":
            self.tau = [self.pruned(tau, self.s["l1"]) for tau in self.tau]
            self.local = [self.pruned(local, self.s["l1"]) for local in self.local]

        assert self.run.method.metrics() == pytest.approx(self.capacities(task))

    def capacities(self, task):
        """In networks; the authors count heads and biases of one task alone, and old σ̃."""
        small = self.s["l1"]
        tau = [self.pruned(tau, small) for tau in self.tau]
        common = np.count_nonzero(self.sigma) + len(self.tau) * sum(self.widths)
        common += self.entries()
        ours = common + sum(map(np.count_nonzero, tau))
        theirs = common + sum(np.count_nonzero(t[self.shared]) for t in tau) + self.replaced
        theirs += np.count_nonzero(tau[-1][~self.shared])
        head = self.net.shapes[-2][1] * len(task.classes) * task.index
        return {
            "capacity": ours / len(self.sigma),
            "capacity_authors_code": theirs / (self.shared.sum() + head),
        }

    def entries(self):
        """Of every group's σ̃, after pruning."""
        return sum(np.count_nonzero(np.abs(values) > self.s["l1"]) for values in self.values)

    def consolidate(self, K):
        self.replaced += self.entries()
        self.values = []
        whole = [tau + local for tau, local in zip(self.tau, self.local, strict=True)]
        self.tau = [w.copy() for w in whole]
        self.local = [np.zeros_like(w) for w in whole]
        before, self.centroids = self.centroids, np.zeros((K, len(self.sigma)))
        for part in self.layers:
            rows = np.stack([w[part] for w in whole])
            start = rows[torch.randperm(len(rows), generator=self.random)[:K].numpy()]
            start[: len(before)] = before[:, part]
            group, self.centroids[:, part] = lloyd(rows, start)
            for k in range(K):
                members = np.flatnonzero(group == k)
                if len(members) > 1:
                    low, high = rows[members].min(0), rows[members].max(0)
                    close = high - low <= self.s["gap"]
                    self.values.append(np.where(close, (low + high) / 2, 0))
                    for i in members:
                        self.tau[i][part] = np.where(close, 0, rows[i])
                        self.local[i][part] = self.values[-1]

    def logits(self, x, task):
        self.net.theta = self.compose(task.index, small=self.s["l1"])
        return self.net.logits(x)


def lloyd(rows, centroids):
    for _ in range(100):
        group = ((rows[:, None] - centroids) ** 2).sum(2).argmin(1)
        centroids = np.stack([rows[group == k].mean(0) for k in range(len(centroids))])
    return group, centroids


def held(method):
    """σ and every τ and v."""
    parts = method.sigma, method.tau.flatten(), method.v.flatten()
    return torch.cat(parts).numpy()


@pytest.mark.parametrize("prune", ["task", "test"])
def test_with_consolidation_after_the_last_task(agrees, prune):
    words = f"method.prune={prune}", *SMALL, "method.consolidate_every=5", "method.clusters=2"
    agrees(APD, "method=apd", *words, theta=held)


@pytest.mark.parametrize("prune", ["task", "test"])
def test_learning_goes_on_after_consolidations(agrees, prune):
    """Soft thresholding: where tau is exactly 0 the sign in the subgradient hangs on rounding."""
    words = f"method.prune={prune}", "method.sparsity=proximal", *SMALL
    agrees(APD, "method=apd", *words, theta=held)


def test_as_the_authors_have_it(agrees):
    words = "method.prune=test", "method.own_init=drawn", *SMALL, "method.consolidate_every=null"
    agrees(APD, "method=apd", *words, theta=held)


def test_without(agrees):
    agrees(APD, "method=apd1", *SMALL, "method.consolidate_every=null", theta=held)


def test_past_parameters_stay(agrees):
    agrees(APD, "method=apd-fixed", *SMALL, "method.consolidate_every=null", theta=held)
