"""Metrics of the tests within tasks: what a network goes through between two rows of the matrix.

All are of what a :class:`cl_bench.metrics.base.Curve` has, so also of the beginning of a run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cl_bench.metrics.base import Curve, Measured, metric

BETA = 10  # batches of a task of A-GEM's learning curve area


@metric("AAA", "average anytime accuracy, over tests within tasks", better=1,
        needs=("curve",))  # fmt: skip
def aaa(run: Measured) -> float:
    """Mean over all tests of the mean accuracy on the tasks seen by then (Caccia et al. 2022)."""
    return float(mean_seen(run.curve, run.learned).mean())


@metric("min-ACC", "mean of the past tasks at their lowest since", better=1,
        needs=("curve",))  # fmt: skip
def min_acc(run: Measured) -> float | None:
    """Mean over past tasks of Min_j (De Lange et al. 2023, arXiv:2205.13452)."""
    found = minima(run.curve, run.learned)
    return float(found.mean()) if len(found) else None


@metric("WC-ACC", "worst case: latest task now, past at their lowest", better=1,
        needs=("curve",))  # fmt: skip
def wc_acc(run: Measured) -> float:
    """acc(current)/k + (1 - 1/k) min-ACC after k tasks (De Lange et al. 2023)."""
    return worst_case(run.curve, run.learned)


@metric("LCA10", "accuracy on a task in its first 10 batches", better=1, needs=("curve",))
def lca10(run: Measured) -> float | None:
    """Mean over the first 10 batches of a task's first stay of the accuracy on it right after each,
    averaged over tasks (Chaudhry et al. 2019, A-GEM, section 4); undefined unless each of these
    batches was tested."""
    curve, areas = run.curve, []
    for task, stay in enumerate(run.first):
        rows = np.flatnonzero((curve.stay == stay) & (curve.batch <= BETA))
        if len(rows) < BETA:
            return None
        areas.append(curve.accuracy[rows, task].mean())
    return float(np.mean(areas))


def mean_seen(curve: Curve, learned: Sequence[int]) -> np.ndarray:
    """Mean accuracy on the tasks seen by each test, (E,)."""
    rows = zip(curve.accuracy, curve.stay, strict=True)
    return np.array([row[sorted(set(learned[:stay]))].mean() for row, stay in rows])


def minima(curve: Curve, learned: Sequence[int]) -> np.ndarray:
    """Min_j of every task but the current one, in their order: the lowest accuracy in the tests
    after the task's own (last) stay."""
    so_far = list(learned[: curve.stay[-1]])
    last = {task: stay for stay, task in enumerate(so_far, start=1)}
    past = sorted(set(so_far) - {so_far[-1]})
    return np.array([curve.accuracy[curve.stay > last[task], task].min() for task in past])


def worst_case(curve: Curve, learned: Sequence[int]) -> float:
    """WC-ACC at the last of the tests."""
    current = curve.accuracy[-1, learned[curve.stay[-1] - 1]]
    return float(np.mean([current, *minima(curve, learned)]))
