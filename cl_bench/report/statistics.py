"""Mean, spread and paired differences over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

Interval = Literal["t", "bootstrap"]
Test = Literal["t", "wilcoxon"]
RESAMPLES = 10_000
LEVEL = 0.05  # below it two rows are told apart


class Spread(NamedTuple):
    """``std`` is the sample's (over n-1); it and the 95% interval are None for one value."""

    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None

    @property
    def se(self) -> float | None:
        """Standard error of the mean."""
        return None if self.std is None else self.std / self.n**0.5


class Difference(NamedTuple):
    """Of pairs: mean difference with its 95% interval, and the p value of the paired test."""

    n: int
    mean: float
    low: float | None
    high: float | None
    p: float | None


def spread(values: Sequence[float] | np.ndarray, interval: Interval = "t") -> Spread:
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


def paired(
    values: Sequence[float],
    baseline: Sequence[float],
    interval: Interval = "t",
    test: Test = "t",
) -> Difference:
    """``values`` minus ``baseline``, pair by pair; the test is two-sided.

    The p value is None where the test is undefined: one pair, or all differences equal.
    """
    differences = np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    n, mean, std, low, high = spread(differences, interval)
    p = None
    if not _constant(std, mean):
        from scipy import stats

        if test == "t":
            p = float(stats.ttest_rel(values, baseline).pvalue)
        else:
            p = float(stats.wilcoxon(differences).pvalue)
    return Difference(n, mean, low, high, p)


def _constant(std: float | None, mean: float) -> bool:
    return not std or std <= 1e-12 * max(1.0, abs(mean))  # rounding alone is no spread


def smallest_p(pairs: int, test: Test) -> float | None:
    """The p value that ``pairs`` cannot go below; None if they allow no test at all.

    The signed ranks of n pairs have 2^n equally likely signs, two of which are the most extreme.
    """
    if pairs < 2:
        return None
    return 0.0 if test == "t" else 2.0 / 2**pairs


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p values corrected for their number (Holm 1979); None, a test that was not made, stays.

    The i-th smallest of m is multiplied by m - i + 1, and none may be below the one before it.
    """
    made = sorted((p, place) for place, p in enumerate(values) if p is not None)
    found: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, place) in enumerate(made):
        largest = max(largest, min(1.0, p * (len(made) - rank)))
        found[place] = largest
    return found


def apart(differences: Sequence[Difference]) -> list[bool]:
    """Whether each is told from 0 at the level of .05, corrected for their number (Holm 1979).

    Pairs that all differ by the same amount are told apart if there are several; one pair is not.
    """
    corrected = holm([difference.p for difference in differences])
    return [
        p < LEVEL if p is not None else d.n > 1 and abs(d.mean) > 1e-12
        for p, d in zip(corrected, differences, strict=True)
    ]
