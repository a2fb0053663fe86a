"""EWC: Kirkpatrick et al. 2017; as the GEM authors have it; online: Schwarz et al. 2018."""

import numpy as np
import pytest
from stepping import DOMAIN, STREAMS, Reference, error


class EWC(Reference):
    """The loss gains λ Σ_k Σ_i F_k,i (θ_i - θ*_k,i)²."""

    def __init__(self, run):
        super().__init__(run)
        self.springs = []  # (F, θ*) of every past task

    def observe(self, x, y, task):
        g = self.net.gradient(x, y, self.counts(task))
        for fisher, anchor in self.springs:
            g = g + 2 * self.s["strength"] * fisher * (self.theta - anchor)
        self.step(g)

    def end_task(self, task):
        n = self.s["fisher_samples"]
        if self.s["whole_first_batch"]:
            n = max(n, len(self.seen[0][1]))
        x, y = (part[:n] for part in self.samples())
        fisher, anchor = self.fisher(x, y, self.counts(task)), self.theta.copy()
        if self.s["online"] and self.springs:
            fisher = self.s["decay"] * self.springs.pop()[0] + fisher
        self.springs.append((fisher, anchor))

    def fisher(self, x, y, counts):
        if self.s["fisher"] == "batch":
            return self.net.gradient(x, y, counts) ** 2
        return np.mean(self.net.each(x, error(self.net.logits(x), y, counts)) ** 2, 0)


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("fisher", ["batch", "empirical"])
def test_a_spring_per_task(agrees, stream, fisher):
    words = f"method.fisher={fisher}", "method.fisher_samples=30", "method.strength=2"
    agrees(EWC, "method=ewc", *words, *stream)


def test_as_the_gem_authors_have_it(agrees):
    """Without BatchNorm the time of the pass makes no difference; the first batch of 7 is whole."""
    words = "method.fisher_pass=next", "method.whole_first_batch=true", "method.fisher_samples=4"
    agrees(EWC, "method=ewc", *words, *STREAMS["heads"])


def test_online_there_is_one(agrees):
    agrees(EWC, "method=ewc", "method.online=true", "method.decay=0.7", *DOMAIN)
