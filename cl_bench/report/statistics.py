"""Mean, spread and paired differences over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

Interval = Literal["t", "bootstrap"]
RESAMPLES = 10_000


class Spread(NamedTuple):
    """``std`` is the sample's (over n-1); it and the 95% interval are None for one value."""

    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None


class Difference(NamedTuple):
    """Of pairs: mean difference with its 95% interval, and the p value of the paired t-test."""

    n: int
    mean: float
    low: float | None
    high: float | None
    p: float | None


def spread(values: Sequence[float], interval: Interval = "t") -> Spread:
    """Of at least one value. ``t``: Student's interval of the mean; ``bootstrap``: percentiles of
    the means of 10 000 resamples, drawn from a fixed seed."""
    sample = np.asarray(values, dtype=np.float64)
    n, mean = len(sample), float(sample.mean())
    if n < 2:
        return Spread(n, mean, None, None, None)
    std = float(sample.std(ddof=1))
    if interval == "bootstrap":
        rows = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
        low, high = np.quantile(sample[rows].mean(axis=1), [0.025, 0.975])
        return Spread(n, mean, std, float(low), float(high))
    from scipy import stats

    half = float(stats.t.ppf(0.975, n - 1)) * std / np.sqrt(n)
    return Spread(n, mean, std, mean - half, mean + half)


def paired(values: Sequence[float], baseline: Sequence[float], interval: Interval = "t"):
    """``values`` minus ``baseline``, pair by pair, as a :class:`Difference`.

    The p value is None where the test is undefined: one pair, or all differences equal.
    """
    differences = np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    n, mean, std, low, high = spread(differences, interval)
    p = None
    if std and std > 1e-12 * max(1.0, abs(mean)):  # rounding alone is no spread
        from scipy import stats

        p = float(stats.ttest_rel(values, baseline).pvalue)
    return Difference(n, mean, low, high, p)
