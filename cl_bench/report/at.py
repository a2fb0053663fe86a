"""Runs at equal cost: each as it was at its last test within tasks that a cost allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cl_bench.config.target import together
from cl_bench.errors import UsageError
from cl_bench.metrics.curves import mean_seen, minima, worst_case
from cl_bench.report.collect import RecordedRun

# what may be said -> the column of the tests
COSTS = {
    "backward_passes": "backward_passes",
    "forward_passes": "forward_passes",
    "seconds": "seconds_train",
}
APART = "not compared"  # the state of a run that is left out
KEPT = ("parameters", "memory_bytes")  # of the whole run, which these do not depend on


@dataclass(frozen=True)
class At:
    """``cost`` is one of :data:`COSTS`, ``most`` what a run may have spent of it."""

    cost: str
    most: float

    @classmethod
    def parsed(cls, word: str) -> At:
        cost, _, value = word.partition("=")
        try:
            most = float(value)
        except ValueError:
            most = math.nan
        if cost not in COSTS or not 0 < most < math.inf:
            raise UsageError(
                f"--at {word}: write a cost and a number above 0, such as backward_passes=1e6 "
                f"(costs: {', '.join(COSTS)})"
            )
        return cls(cost, most)

    def __str__(self) -> str:
        return f"{self.cost}={self.most:,.10g}"

    def cut(self, runs: Sequence[RecordedRun]) -> tuple[list[RecordedRun], str]:
        """The runs with the metrics that they had then, and a note; one that has no test by then
        is left out with the reason."""
        heading = together(run.measure for run in runs if run.problem is None).heading
        found = [run if run.problem is not None else self._cut(run) for run in runs]
        note = (
            f"at {self}: each run as it was at its last test within that cost; "
            f"{heading} is over the tasks seen by then, so compare it where these are equally "
            "many; pictures are of whole runs"
        )
        return found, note

    def _cut(self, run: RecordedRun) -> RecordedRun:
        if run.curve is None:
            return _without(run, "has no tests within its tasks; run it with evaluate_every")
        spent = getattr(run.curve, COSTS[self.cost])
        curve = run.curve.until(int((spent <= self.most).sum()))
        if not len(curve):
            return _without(run, f"its first test came at {self.cost}={spent[0]:,.10g}")
        means = mean_seen(curve, run.learned)
        lowest = minima(curve, run.learned)
        values = {
            "acc": means[-1],
            "aaa": means.mean(),
            "min_acc": lowest.mean() if len(lowest) else math.nan,
            "wc_acc": worst_case(curve, run.learned),
            "tasks_seen": len(set(run.learned[: curve.stay[-1]])),
            **{cost: getattr(curve, cost)[-1] for cost in COSTS.values()},
            **{key: run.metrics[key] for key in KEPT if key in run.metrics},
        }
        known = {key: float(value) for key, value in values.items() if np.isfinite(value)}
        if "acc" not in known:
            return _without(run, "not all tasks seen were tested; run it with evaluate=all")
        return replace(run, metrics=known)


def _without(run: RecordedRun, reason: str) -> RecordedRun:
    return replace(run, state=APART, problem=reason)
