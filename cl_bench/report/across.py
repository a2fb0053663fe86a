"""Methods compared over several streams at once: ranks, interquartile means, improvement.

Sources: Demšar 2006 (JMLR 7) for mean ranks, Friedman's test and the critical difference of
Nemenyi's; Agarwal et al. 2021 (arXiv:2108.13264) for the interquartile mean, the bootstrap
stratified by stream and the probability of improvement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cl_bench.errors import UsageError
from cl_bench.metrics.base import Metric
from cl_bench.report.compare import Baseline
from cl_bench.report.grouping import ORDER_KEYS, Group, Grouping, of_stream, resolve, setting
from cl_bench.report.statistics import LEVEL

RESAMPLES = 2000


@dataclass(frozen=True)
class Standing:
    """One row over all streams. ``iqm`` and ``improvement`` are value, low and high of a 95%
    interval; ``improvement`` over the baseline, None without one and for itself."""

    label: tuple[str, ...]
    rank: float
    iqm: tuple[float, float, float]
    improvement: tuple[float, float, float] | None


@dataclass(frozen=True)
class Across:
    """``standings`` by rank, the best first; ``friedman`` is the p value that all rows are alike;
    rows whose ranks differ by less than ``critical`` (Nemenyi, .05) are not told apart, and
    ``alike`` are the largest sets of such rows, as positions in ``standings``. Both tests are None
    for fewer than three rows or two streams.
    """

    metric: Metric
    keys: list[str]  # of the labels
    streams: list[str]
    standings: list[Standing]
    friedman: float | None
    critical: float | None
    alike: list[tuple[int, int]]  # first and last position
    notes: list[str] = field(default_factory=list)


def across(grouping: Grouping, words: str, metric: Metric, baseline: Baseline | None) -> Across:
    """The rows of ``grouping`` compared over the values of the setting ``words``.

    Whatever makes streams differ goes with it; a row is a method with its other settings. Rows that
    are not on every stream are left out, with a note. Raises a :class:`UsageError` where fewer than
    two streams or rows are left.
    """
    runs = [run for member in grouping.groups for run in member.runs]
    key = resolve(words, runs)
    if not of_stream(key):
        raise UsageError(f"--across {words}: name what makes streams differ, such as dataset")
    along = [k for k in grouping.labels if of_stream(k) and k not in ORDER_KEYS]
    keys = [k for k in grouping.labels if k not in along]
    table: dict[tuple[str, ...], dict[tuple[str, ...], Group]] = {}
    for member in grouping.groups:
        row = table.setdefault(member.label(keys), {})
        stream = (setting(member.runs[0], key), *member.label([k for k in along if k != key]))
        row[stream] = member
    streams = sorted({stream for row in table.values() for stream in row})
    whole = {label: row for label, row in table.items() if len(row) == len(streams)}
    notes = [
        f"{', '.join(label)} is not on every stream and not compared across them"
        for label in table
        if label not in whole
    ]
    if len(streams) < 2 or len(whole) < 2:
        raise UsageError(
            f"--across {words}: {len(whole)} rows are on all of {len(streams)} streams; it takes "
            "two of each, run the same methods on each"
        )
    scores = {
        label: [_values(row[stream], metric) for stream in streams] for label, row in whole.items()
    }
    empty = [label for label, parts in scores.items() if not all(map(len, parts))]
    if empty:
        raise UsageError(f"--across: {', '.join(empty[0])} has no {metric.key} on some stream")
    base = _base(whole, baseline)
    return _standings(metric, keys, [" ".join(s) for s in streams], scores, base, notes)


def _values(member: Group, metric: Metric) -> np.ndarray:
    found = [run.metrics[metric.key] for run in member.runs if metric.key in run.metrics]
    return np.array(found, dtype=np.float64) * (metric.better or 1)


def _base(
    rows: dict[tuple[str, ...], dict[tuple[str, ...], Group]], baseline: Baseline | None
) -> tuple[str, ...] | None:
    if baseline is None:
        return None
    found = [
        label
        for label, row in rows.items()
        if all(baseline.chooses(run) for member in row.values() for run in member.runs)
    ]
    if len(found) != 1:
        raise UsageError(f"--baseline {baseline.words}: {len(found)} rows of --across are it")
    return found[0]


def _standings(
    metric: Metric,
    keys: list[str],
    streams: list[str],
    scores: dict[tuple[str, ...], list[np.ndarray]],
    base: tuple[str, ...] | None,
    notes: list[str],
) -> Across:
    from scipy import stats

    labels = list(scores)
    means = np.array([[part.mean() for part in scores[label]] for label in labels])  # (rows, N)
    ranks = np.apply_along_axis(lambda column: stats.rankdata(-column.round(12)), 0, means)
    mean_ranks = ranks.mean(axis=1)
    resampled = {label: _resamples(scores[label], place) for place, label in enumerate(labels)}
    sign = metric.better or 1
    standings = []
    for label, rank in zip(labels, mean_ranks, strict=True):
        parts, drawn = scores[label], resampled[label]
        iqm = _interval(sign * _iqm(parts), [sign * _iqm(one) for one in drawn])
        improvement = None
        if base is not None and label != base:
            pairs = zip(drawn, resampled[base], strict=True)
            improvement = _interval(
                _improvement(parts, scores[base]), [_improvement(a, b) for a, b in pairs]
            )
        standings.append(Standing(label, float(rank), iqm, improvement))
    standings.sort(key=lambda standing: standing.rank)
    k, n = ranks.shape
    if k < 3:
        notes = [*notes, "two rows: Friedman's test and a critical difference take three"]
        return Across(metric, keys, streams, standings, None, None, [], notes)
    friedman = float(stats.friedmanchisquare(*means).pvalue) if np.ptp(ranks) > 0 else None
    quantile = float(stats.studentized_range.ppf(1 - LEVEL, k, np.inf)) / np.sqrt(2)
    critical = float(quantile * np.sqrt(k * (k + 1) / (6 * n)))
    alike = _alike([s.rank for s in standings], critical)
    if critical >= k - 1:
        notes = [*notes, f"{n} streams cannot tell {k} rows apart: the critical difference of "
                 f"{critical:.2f} is no less than the largest there can be"]  # fmt: skip
    return Across(metric, keys, streams, standings, friedman, critical, alike, notes)


def _resamples(parts: Sequence[np.ndarray], row: int) -> list[list[np.ndarray]]:
    """Runs drawn anew within every stream, each row's independently and always the same."""
    generator = np.random.default_rng([0, row])
    return [
        [part[generator.integers(0, len(part), len(part))] for part in parts]
        for _ in range(RESAMPLES)
    ]


def _interval(value: float, resampled: Sequence[float]) -> tuple[float, float, float]:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return value, float(low), float(high)


def _iqm(parts: Sequence[np.ndarray]) -> float:
    """Mean of the middle half of all values, of all streams and seeds together."""
    from scipy import stats

    return float(stats.trim_mean(np.concatenate(parts), 0.25))


def _improvement(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Mean over streams of the probability that a run of ours is better than one of theirs; a tie
    counts half."""
    shares = []
    for a, b in zip(ours, theirs, strict=True):
        differences = a[:, None] - b[None, :]
        shares.append(float((differences > 0).mean() + (differences == 0).mean() / 2))
    return float(np.mean(shares))


def _alike(ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """First and last position of every largest set of neighbours that are not told apart."""
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(i for i in range(first, len(ranks)) if ranks[i] - ranks[first] <= critical)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
