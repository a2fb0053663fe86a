"""MAS: Aljundi et al. 2018, equations 2-4, and what their code makes of them."""

import numpy as np
import pytest
from stepping import DOMAIN, STREAMS, Reference


class MAS(Reference):
    """The loss gains λ Σ_i Ω_i (θ_i - θ*_i)², Ω the mean of |∂‖F(x)‖² / ∂θ| over inputs."""

    def __init__(self, run):
        super().__init__(run)
        self.omega, self.anchor = np.zeros_like(self.theta), self.theta.copy()

    def begin_task(self, task):
        self.velocity = np.zeros_like(self.theta)

    def observe(self, x, y, task):
        g = self.net.gradient(x, y, self.counts(task))
        g = g + 2 * self.s["strength"] * self.omega * (self.theta - self.anchor)
        self.velocity = self.s["optimizer"]["momentum"] * self.velocity + g
        self.step(self.velocity)

    def end_task(self, task):
        x = np.concatenate([b.flatten(1).numpy() for b in self.run.stream.inputs(task, "train")])
        outputs = self.net.logits(x)
        if self.counts(task) is not None:
            outputs = outputs * self.counts(task)
        new = self.importance(x, 2 * outputs)
        if self.s["accumulate"] == "average" and task.index > 0:
            alpha = self.s["alpha"]
            self.omega = alpha * self.omega + (1 - alpha) * new
        else:
            self.omega = self.omega + new
        self.anchor = self.theta.copy()

    def importance(self, x, delta):
        if self.s["absolute"] == "sample":
            return np.mean(np.abs(self.net.each(x, delta)), 0)
        size, running, total = self.s["importance_batch"], 0.0, 0.0
        for b, i in enumerate(range(0, len(x), size)):
            g = np.abs(self.net.backward(x[i : i + size], delta[i : i + size]))
            now = len(x[i : i + size])
            running, total = (running * b * now + g) / ((b + 1) * now), total + g
        return running if self.s["batch_weights"] == "equal" else total / len(x)


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("absolute", ["sample", "batch"])
def test_importances_add_up(agrees, stream, absolute):
    words = f"method.absolute={absolute}", "method.importance_batch=20", "method.strength=0.5"
    agrees(MAS, "method=mas", "method.lr=0.05", *words, *stream)


@pytest.mark.parametrize("weights", ["inputs", "equal"])
def test_a_smaller_last_batch(agrees, weights):
    words = "method.absolute=batch", "method.importance_batch=30", "method.lr=0.05"
    agrees(MAS, "method=mas", f"method.batch_weights={weights}", *words, *DOMAIN)


def test_with_the_demos_momentum(agrees):
    words = "method.absolute=batch", "method.importance_batch=20", "method.optimizer.momentum=0.9"
    agrees(MAS, "method=mas", "method.lr=0.01", *words, *DOMAIN)


def test_the_latest_task_alone_counts(agrees):
    """As in A-GEM's code: alpha = 0."""
    words = "method.accumulate=average", "method.alpha=0", "method.strength=0.1"
    agrees(
        MAS, "method=mas", "method.absolute=batch", "method.importance_batch=10", *words, *DOMAIN
    )
