"""EWC++: Chaudhry et al. 2018, section 4.1, as the A-GEM authors have it."""

import numpy as np
import pytest
from stepping import DOMAIN, STREAMS, Reference


class EWCPlusPlus(Reference):
    """The loss gains λ Σ_i F_i (θ_i - θ*_i)², F from a moving average of squared gradients."""

    def __init__(self, run):
        super().__init__(run)
        self.running, self.F, self.anchor = np.zeros((3, len(self.theta)))
        self.window = []

    def begin_task(self, task):
        self.steps = 0
        if self.s["window"] == "task":
            self.window = []

    def observe(self, x, y, task):
        g = self.net.gradient(x, y, self.counts(task))
        self.steps += 1
        if self.s["window"] == "task":
            self.window.append(g**2)
        if self.steps % self.s["every"] == 0:
            alpha, mean = self.s["alpha"], sum(self.window) / self.s["every"]
            self.running = (1 - alpha) * self.running + alpha * mean
            self.window = []
        if self.s["window"] == "stream":
            self.window.append(g**2)
        self.step(g + 2 * self.s["strength"] * self.F * (self.theta - self.anchor))

    def end_task(self, task):
        self.F, self.anchor = self.running, self.theta.copy()
        if self.s["scaled"]:
            low, high = self.F.min(), self.F.max()
            self.F = (self.F - low) / (high - low)


@pytest.mark.parametrize("window", ["task", "stream"])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_moving_average(agrees, stream, window):
    words = f"method.window={window}", "method.every=3", "method.alpha=0.6"
    agrees(EWCPlusPlus, "method=ewcpp", *words, *stream)


def test_not_scaled(agrees):
    agrees(EWCPlusPlus, "method=ewcpp", "method.scaled=false", "method.every=4", *DOMAIN)
