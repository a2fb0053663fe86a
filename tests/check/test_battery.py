"""`cl-bench check` finds what is wrong with a method, and nothing wrong with what is right."""

import re

import pytest

from cl_bench.check.battery import examine
from cl_bench.config.choices import choices

RIGHT = """
from pydantic import Field
from cl_bench.methods.base import Method, MethodSettings

class Anchor(Method):
    needs = frozenset({"boundaries"})

    class Settings(MethodSettings):
        strength: float = Field(ge=0)

    kept = ("anchor",)
    anchor = None

    def observe(self, x, y, task):
        g = self.gradient(x, y, task)
        if self.anchor is not None:
            g += self.settings.strength * (self.net.theta - self.anchor)
        self.step()

    def end_task(self, task):
        self.anchor = self.net.theta.clone()
"""
YAML = """# @package _global_
# stays close | a test
defaults:
  - /common/optimizer@method.optimizer
  - override /memory: none
  - _self_
method: {name: anchor, lr: 0.03, strength: 0.1}
"""
GRADIENT = "        g = self.gradient(x, y, task)\n"
# fault -> what is changed, and what is said of it
PLANTED = {
    "forgotten state": (
        'kept = ("anchor",)', "kept = ()",
        "forgets state: taken up after batch 2 of task 2 .*; what changes and is not in kept: anch",
    ),
    "global random numbers": (
        GRADIENT, GRADIENT + "        g += 0.01 * __import__('torch').randn(len(g))\n",
        r"draws from global random numbers \(torch\), .*draw from self.generator",
    ),
    "numbers of NumPy": (
        GRADIENT, GRADIENT + "        g *= __import__('numpy').random.rand()\n",
        r"draws from global random numbers \(numpy.random\)",
    ),
    "masks ignored": (
        GRADIENT, "        from torch.nn.functional import cross_entropy\n"
        "        g = self.net.gradient(cross_entropy(self.net(x), y))\n",
        "ignores the masks of dataset.scenario=task: .* self.scenario.loss",
    ),
    "batch changed in place": (
        GRADIENT, "        x.mul_(0.9)\n" + GRADIENT, "observe changes its batch in place",
    ),
    "batch changed to the same": (
        GRADIENT, "        y.clamp_(0)\n" + GRADIENT, "observe changes its batch in place",
    ),
    "NaN": (
        GRADIENT, GRADIENT + "        g += (self.anchor - self.anchor).sqrt() / 0 if self.anchor "
        "is not None else 0\n", "the parameters are NaN or infinite after a batch of permutation 2",
    ),
    "needs unsaid": (
        GRADIENT, "        task.index\n" + GRADIENT, "fails where nobody tells the task",
    ),
    "error": ("        self.step()", "        self.stop()", r"anchor.py, line 18: Attribute"),
}  # fmt: skip


def faults(own, code):
    own.write("methods/anchor.py", code)
    own.write("conf/method/anchor.yaml", YAML)
    own.include()
    findings = list(examine(["method=anchor", "model.hidden=[12,9]"]))
    return findings, [finding.fault for finding in findings if finding.fault]


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_and_nothing_else(fault, own):
    old, new, sentence = PLANTED[fault]
    code = RIGHT.replace(old, new)
    if fault == "needs unsaid":
        code = code.replace('frozenset({"boundaries"})', "frozenset()")
    assert code != RIGHT
    _, found = faults(own, code)
    assert len(found) == 1, found
    assert re.search(sentence, found[0]), found[0]


def test_what_is_right_has_no_fault(own):
    findings, found = faults(own, RIGHT)
    assert found == []
    assert len(findings) == 6


# what a method of the package needs to be done in a second
SHORT = {
    "gdumb": ["method.passes=2"],
    "hal": ["method.anchor_steps=3"],
    "mer": ["method.replay=4", "method.batches=2"],
}
FEW = ("agem", "apd", "derpp", "icarl", "independent", "lwf", "si")


@pytest.mark.parametrize(
    "method",
    [pytest.param(m, marks=[] if m in FEW else pytest.mark.slow) for m in choices("method")],
)
def test_the_packages_own_methods_are_right(method):
    more = ["method.glances=2"] if method in ("lamaml", "cmaml", "sync") else SHORT.get(method, [])
    findings = list(examine([f"method={method}", "model.hidden=[12,9]"], more))
    assert [finding.fault for finding in findings if finding.fault] == []
