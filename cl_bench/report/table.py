"""From run directories to one table: rows of equal settings, averaged over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from cl_bench import metrics as registry
from cl_bench.config.schema import similar
from cl_bench.config.target import Measure, together
from cl_bench.errors import RunError, UsageError
from cl_bench.files.untrusted import clean
from cl_bench.metrics.base import AS_IS, Digits, Kind, Metric, as_told
from cl_bench.report.across import Across, across
from cl_bench.report.at import APART, At
from cl_bench.report.best import best, doubtful
from cl_bench.report.collect import RecordedRun, collect, newest_of_each, with_references
from cl_bench.report.compare import Baseline, compare, too_few
from cl_bench.report.gaps import LeftOut, left_out
from cl_bench.report.grouping import (
    Grouping,
    environment_notes,
    group,
    natural,
    resolve,
    setting,
    text,
    tuned_notes,
    varying,
)
from cl_bench.report.order_robustness import OrderRobustness, robustness
from cl_bench.report.published import read_published
from cl_bench.report.statistics import Interval, Test, holm, spread

PlusMinus = Literal["std", "se", "ci"]


@dataclass(frozen=True)
class Look:
    """How the tables are printed: ``names`` stand for settings, their values and metrics;
    ``rows`` and ``columns`` are settings of a table with a metric in its cells."""

    digits: Digits = AS_IS
    spread: PlusMinus = "std"
    names: dict[str, str] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def name(self, word: str) -> str:
        return self.names.get(word, word)


@dataclass
class Report:
    """``frame`` has a row per group: its labels, ``n``, ``seeds``, and for every metric
    ``_mean``, ``_std``, ``_se``, ``_low``, ``_high``; ``best`` names the (row, metric) that are
    printed in bold; ``differences`` is the same for pairs, with ``_p`` and ``_p_holm``."""

    grouping: Grouping
    frame: pd.DataFrame
    best: set[tuple[int, str]]
    baseline: str | None
    differences: pd.DataFrame
    orders: list[OrderRobustness]
    left_out: list[LeftOut]
    common: dict[str, str]
    notes: list[str]
    interval: Interval
    test: Test
    runs: list[RecordedRun]
    metrics: list[Metric]
    look: Look
    across: Across | None = None

    @property
    def labels(self) -> list[str]:
        return self.grouping.labels

    @property
    def measure(self) -> Measure:
        """What the matrices of the rows hold."""
        return together(member.measure for member in self.grouping.groups)

    def shown(self, *kinds: Kind) -> list[Metric]:
        """The metrics of these kinds that the tables have and at least one row has a value for,
        as they are called there."""
        found = [m for m in self.metrics if m.kind in kinds and f"{m.key}_mean" in self.frame]
        return [as_told(metric, self.measure) for metric in found]


def build(
    places: Iterable[Path],
    by: Sequence[str] = (),
    baseline: str | None = None,
    interval: Interval = "t",
    *,
    metrics: Sequence[str] = (),
    sort: str | None = None,
    test: Test = "t",
    look: Look | None = None,
    over: str | None = None,
    merged: Iterable[Path] = (),
    at: At | None = None,
) -> Report:
    """Read all runs at or below ``places`` and put them in a table; ``over`` is the setting whose
    values are streams that the rows are compared across too. ``merged`` are places where others
    have published theirs. With ``at`` the runs are compared at that cost.

    Raises :class:`RunError` if none of them is finished.
    """
    places = list(places)
    found = collect(places) + read_published(merged)
    if not found:
        raise RunError("there are no runs there; name directories that hold some")
    kept, notes = newest_of_each(found)
    if at is not None and any(run.problem is None for run in kept):
        kept, note = at.cut(kept)
        notes.append(note)
        if all(run.problem is not None for run in kept):
            last = next(run for run in reversed(kept) if run.state == APART)
            raise RunError(f"--at {at}: no run is to be compared; {last.directory} {last.problem}")
    runs = [run for run in kept if run.problem is None]
    gaps = left_out(kept, places)
    if not runs:
        first = gaps[0]
        raise RunError(
            f"none of {len(kept)} runs is finished; the first, {clean(first.directory)}, is "
            f"{first.state}: {first.reason}"
        )
    if at is None:
        notes += with_references(runs)
    chosen = _chosen(metrics, runs)
    counted = chosen if metrics else [*registry.known().values()]
    grouping = group(runs, by)
    if sort is not None:
        _sort(grouping, sort, runs)
    notes += tuned_notes(grouping.groups, grouping.labels)
    notes += grouping.notes + environment_notes(grouping.groups)
    orders = [] if by else robustness(grouping.groups, [*varying(runs), *_provenance(grouping)])
    frame = _frame(grouping, orders, interval, counted)
    judged = [m for m in counted if m.better and f"{m.key}_mean" in frame]
    differences = pd.DataFrame()
    if baseline is not None:
        keys = [m.key for m in counted if m.kind == "accuracy"]
        rows, more = compare(grouping, Baseline(baseline, runs), keys, interval, test)
        differences = _difference_frame(grouping, rows, keys)
        notes += more
        pairs = [found.n for row in rows for key, found in row.items() if key in keys]
        if pairs and (words := too_few(max(pairs), len(rows), test)):
            notes.append(f"the comparison with {baseline} needs more seeds: {words}")
    notes += doubtful(grouping, test)
    compared = None
    if over is not None:
        first = next((m for m in chosen if m.kind == "accuracy"), chosen[0])
        base = None if baseline is None else Baseline(baseline, runs)
        compared = across(grouping, over, first, base)
        notes += compared.notes
    first = runs[0].settings
    common = {
        key: text(first[key])
        for key in sorted(first)
        if all(run.settings.get(key) == first[key] for run in runs)
    }
    return Report(
        grouping, frame, best(grouping, frame, judged, test), baseline, differences, orders, gaps,
        common, [clean(note, 2000) for note in notes], interval, test, kept, chosen,
        look or Look(), compared,
    )  # fmt: skip


def _chosen(keys: Sequence[str], runs: Sequence[RecordedRun]) -> list[Metric]:
    """The metrics that the tables have: those asked for, in their order, or the usual ones."""
    if not keys:
        return [metric for metric in registry.known().values() if metric.shown]
    known = sorted({*registry.known(), *(key for run in runs for key in run.metrics)})
    for key in keys:
        if key not in known:
            raise UsageError(f"--metrics {key}: no such metric{similar(key, known)}")
    return [registry.find(key) for key in dict.fromkeys(keys)]


def _sort(grouping: Grouping, word: str, runs: Sequence[RecordedRun]) -> None:
    """Order the rows by a setting, or by the mean of a metric, the best first."""
    if not any(word in run.metrics for run in runs):
        key = resolve(word, runs)
        grouping.groups.sort(key=lambda member: natural(setting(member.runs[0], key)))
        return
    sign = -1 if registry.find(word).better > 0 else 1

    def place(member: Any) -> tuple[bool, float]:
        values = [run.metrics[word] for run in member.runs if word in run.metrics]
        return (not values, sign * spread(values).mean if values else 0.0)

    grouping.groups.sort(key=place)


def _frame(
    grouping: Grouping,
    orders: Sequence[OrderRobustness],
    interval: Interval,
    metrics: Sequence[Metric],
) -> pd.DataFrame:
    rows = []
    for member in grouping.groups:
        row: dict[str, Any] = dict(zip(grouping.labels, member.label(grouping.labels), strict=True))
        row["n"] = len(member.runs)
        row["seeds"] = " ".join(str(run.seed) for run in member.runs)
        for metric in metrics:
            values = [r.metrics[metric.key] for r in member.runs if metric.key in r.metrics]
            if values:
                found = spread(values, interval)
                for name in ("mean", "std", "se", "low", "high"):
                    row[f"{metric.key}_{name}"] = getattr(found, name)
        for entry in orders:
            if all(member.settings.get(k) == value for k, value in entry.settings.items()):
                row |= {f"{m.key}_mean": entry.metrics[m.key] for m in metrics if m.kind == "order"}
        rows.append(row)
    return pd.DataFrame(rows)


def _difference_frame(
    grouping: Grouping, rows: Sequence[dict[str, Any]], metrics: Sequence[str]
) -> pd.DataFrame:
    corrected = {key: holm([row[key].p if key in row else None for row in rows]) for key in metrics}
    table = []
    for place, row in enumerate(rows):
        member = row["group"]
        line: dict[str, Any] = dict(
            zip(grouping.labels, member.label(grouping.labels), strict=True)
        )
        for key in metrics:
            if (found := row.get(key)) is not None:
                line["n"] = max(line.get("n", 0), found.n)
                for name in ("mean", "low", "high", "p"):
                    line[f"{key}_{name}"] = getattr(found, name)
                line[f"{key}_p_holm"] = corrected[key][place]
        table.append(line)
    return pd.DataFrame(table)


def _provenance(grouping: Grouping) -> list[str]:
    return [key for key in ("code", "data") if key in grouping.groups[0].settings]
