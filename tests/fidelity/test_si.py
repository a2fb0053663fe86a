"""SI: Zenke et al. 2017, equations 3-5."""

import numpy as np
import pytest
from stepping import STREAMS, Reference


class SI(Reference):
    """The loss gains c Σ_i Ω_i (θ_i - θ*_i)², Ω = Σ_tasks ω / (Δ² + ξ)."""

    def __init__(self, run):
        super().__init__(run)
        self.Omega, self.anchor = np.zeros_like(self.theta), self.theta.copy()

    def begin_task(self, task):
        self.omega, self.start = np.zeros_like(self.theta), self.theta.copy()

    def observe(self, x, y, task):
        before = self.theta.copy()
        g = self.net.gradient(x, y, self.counts(task))
        self.step(g + 2 * self.s["strength"] * self.Omega * (before - self.anchor))
        self.omega -= g * (self.theta - before)

    def end_task(self, task):
        omega = np.maximum(self.omega, 0) if self.s["negative"] == "zero" else self.omega
        self.Omega += omega / ((self.theta - self.start) ** 2 + self.s["xi"])
        self.anchor = self.theta.copy()


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("negative", ["keep", "zero"])
def test_the_path_integral(agrees, stream, negative):
    agrees(SI, "method=si", f"method.negative={negative}", "method.strength=0.5", *stream)
