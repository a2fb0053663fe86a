"""Runs of a second, for the tests of what happens to runs: every method that conf/ offers."""

from __future__ import annotations

import pytest

from cl_bench.config.choices import choices, implementation
from cl_bench.config.registry import declared

METHODS = list(choices("method"))
# those whose state is of every kind; the resumption of all is tested in one process, too
SOME = ("apd", "derpp", "gem", "icarl", "independent", "mer", "packnet", "single")
# the others are killed in `make test-full`
KILLED = [
    pytest.param(method, marks=[] if method in SOME else pytest.mark.slow) for method in METHODS
]
SMALL = (
    "dataset.tasks=3", "dataset.samples_per_task=60", "device=cpu", "device.threads=1",
    "plots=false", "checkpoint.every=0", "quiet=true", "model.hidden=[12,9]",
)  # fmt: skip
NEEDS_CLASSES = ("icarl",)


def small(method: str, *more: str) -> list[str]:
    """The command line of a small run of ``method``; later overrides win."""
    stream = ["dataset=digits_permutations"]
    if method in NEEDS_CLASSES:
        stream = ["dataset=digits_split", "dataset.tasks=5"]
    with_memory = declared("method", implementation("method", method), "memory_needs")
    memory = ["memory.size=30"] if with_memory else []
    if method == "gdumb":
        memory += ["method.passes=2"]
    if method == "hal":
        memory += ["method.anchor_steps=3"]
    if method in ("lamaml", "cmaml", "sync"):
        memory += ["method.glances=2"]
    if method == "mer":
        memory += ["method.replay=4", "method.batches=2"]
    return [f"method={method}", *SMALL, *stream, *memory, *more]
