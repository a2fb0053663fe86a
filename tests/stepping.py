"""A method beside a reference of a few lines of NumPy: equal weights, equal samples, float64.

The product is only touched where a run or a reader of the results would: `prepare`, the verbs of
the contract, the network's parameters, the named generators. A reference keeps its own weights,
memory and importances and draws from a generator of its own with the same name.
"""

from __future__ import annotations

import numpy as np
import torch
from one_method import begin, small_run

from cl_bench.rng import generator
from cl_bench.run import learn

DOMAIN = ("dataset.samples_per_task=100", "dataset.batch_size=5")  # one head for four tasks
HEADS = (  # a head for each of five tasks
    "dataset=digits_split",
    "dataset.tasks=5",
    "dataset.samples_per_task=100",
    "dataset.batch_size=7",  # the last batch is ragged
)
STREAMS = {"one head": DOMAIN, "heads": HEADS}
LIMIT = 1e-10  # of the largest difference; it is some 1e-15 in practice


class Net:
    """Linear layers with ReLU between; θ (P,) in the order of the module's parameters."""

    def __init__(self, module: torch.nn.Module) -> None:
        arrays = [p.detach().numpy().copy() for p in module.parameters()]
        self.shapes = [a.shape for a in arrays]
        self.theta = np.concatenate([a.ravel() for a in arrays])

    @property
    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(W, b) of every layer, views of θ."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        parts = np.split(self.theta, ends[:-1])
        arrays = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    def activations(self, x: np.ndarray) -> list[np.ndarray]:
        """x, the outputs of every hidden layer, the logits."""
        found = [x]
        for i, (W, b) in enumerate(self.layers):
            z = found[-1] @ W.T + b
            found.append(z if i == len(self.layers) - 1 else np.maximum(z, 0))
        return found

    def logits(self, x: np.ndarray) -> np.ndarray:
        return self.activations(x)[-1]

    def backward(self, x: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """Σ_i J_iᵀ δ_i (P,) for δ = ∂loss/∂logits (n, C)."""
        seen, parts = self.activations(x), []
        for i, (W, _) in reversed(list(enumerate(self.layers))):
            parts[:0] = [(delta.T @ seen[i]).ravel(), delta.sum(0)]
            delta = (delta @ W) * (seen[i] > 0)
        return np.concatenate(parts)

    def gradient(self, x: np.ndarray, y: np.ndarray, counts: np.ndarray | None = None):
        """The gradient (P,) of the mean cross-entropy over the outputs that count."""
        return self.backward(x, error(self.logits(x), y, counts) / len(y))

    def each(self, x: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """The gradient of every sample alone, (n, P)."""
        return np.stack([self.backward(x[i : i + 1], delta[i : i + 1]) for i in range(len(x))])


def softmax(logits: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Rows of probabilities, zero where an output does not count."""
    if counts is not None:
        logits = np.where(counts, logits, -np.inf)
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def error(logits: np.ndarray, y: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """∂(cross-entropy)/∂logits of every sample, (n, C)."""
    return softmax(logits, counts) - np.eye(logits.shape[1])[y]


class Reference:
    """Plain SGD on one network; what a method does otherwise stands in its test."""

    def __init__(self, run) -> None:
        self.run = run
        self.net = Net(run.method.net.module)
        self.s = run.cfg.method  # the settings, by name
        self.lr = self.s["lr"]
        self.random = generator(run.cfg.seed, "method")
        self.tasks = len(run.stream.tasks)
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []  # of the task at hand, first pass

    def counts(self, task) -> np.ndarray | None:
        """Which outputs count for a task: its own where tasks have heads, else all."""
        if self.run.stream.settings.scenario == "domain":
            return None
        counts = np.zeros(self.run.stream.classes, dtype=bool)
        counts[list(task.classes)] = True
        return counts

    @property
    def theta(self) -> np.ndarray:
        return self.net.theta

    def begin_task(self, task) -> None:
        pass

    def observe(self, x: np.ndarray, y: np.ndarray, task) -> None:
        self.step(self.net.gradient(x, y, self.counts(task)))

    def step(self, g: np.ndarray) -> None:
        self.net.theta -= self.lr * g

    def end_task(self, task) -> None:
        pass

    def logits(self, x: np.ndarray, task) -> np.ndarray:
        return self.net.logits(x)

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        """All samples of the task in the order of its first pass."""
        x, y = zip(*self.seen, strict=True)
        return np.concatenate(x), np.concatenate(y)


class Reservoir:
    """Algorithm R: sample N takes a place drawn from N; authors draw from N + 1, or from N - 1."""

    def __init__(self, settings, random):
        self.size, self.random = settings["size"], random
        self.more = {"textbook": 0, "authors": 1, "er_authors": -1}[settings["acceptance"]]
        self.held, self.seen = [], 0

    def add(self, sample):
        self.seen += 1
        if len(self.held) < self.size:
            self.held.append(sample)
            return
        u = torch.rand((), dtype=torch.float64, generator=self.random).item()
        if (place := int(u * (self.seen + self.more))) < self.size:
            self.held[place] = sample


def parameters(method) -> np.ndarray:
    """θ (P,) of the network, as its module has it."""
    return torch.cat([p.detach().flatten() for p in method.net.module.parameters()]).numpy()


def largest_difference(make, *overrides: str, steps: int = 50, theta=parameters) -> float:
    """Learn the whole stream both ways; the largest difference of θ after any step, and of logits.

    ``theta``: what is compared of the method after every step; None: the logits of tests alone.
    """
    run = small_run(*overrides)
    reference, taken, found = make(run), 0, [0.0]
    for task in run.stream.tasks:
        begin(run, task)
        reference.seen = []
        reference.begin_task(task)
        first = run.stream.batches(task) // run.stream.settings.epochs
        for number, (x, y) in enumerate(run.stream.train_batches(task), start=1):
            one = x.flatten(1).numpy(), y.numpy()
            if number <= first:
                reference.seen.append(one)
            run.method.observe(x, y, task)
            reference.observe(*one, task)
            if number % first == 0:
                run.method.end_epoch(task)
            if theta is not None:
                found.append(np.abs(theta(run.method) - reference.theta).max())
            taken += 1
        learn.end_task(run, task)
        reference.end_task(task)
        found += [apart(run, reference, known) for known in run.stream.tasks[: task.index + 1]]
    assert taken >= steps
    return float(np.max(found))


@torch.no_grad()
def apart(run, reference, task) -> float:
    """The largest difference of the logits of a task's test set."""
    run.method.train(False)
    found = [0.0]
    for x, _ in run.stream.test_batches(task):
        ours = run.scenario.mask(run.method.logits(x, task), task.index).numpy()
        theirs = reference.logits(x.flatten(1).numpy(), task)
        shown = np.isfinite(ours)
        assert shown.any(1).all()
        found.append(np.abs(ours[shown] - theirs[shown]).max())
    return max(found)
