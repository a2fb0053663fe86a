"""From run directories to one table: rows of equal settings, averaged over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cl_bench.errors import RunError
from cl_bench.files.untrusted import clean
from cl_bench.report.collect import RecordedRun, collect, newest_of_each
from cl_bench.report.compare import Baseline, compare
from cl_bench.report.gaps import LeftOut, left_out
from cl_bench.report.grouping import (
    ORDER_KEYS,
    Grouping,
    environment_notes,
    group,
    of_stream,
    text,
    varying,
)
from cl_bench.report.order_robustness import OrderRobustness, robustness
from cl_bench.report.statistics import Interval, spread


class Column(NamedTuple):
    """``better``: 1 if more is better, -1 if less is, 0 if it is a cost and not judged."""

    key: str
    heading: str
    meaning: str
    better: int = 0


QUALITY = (
    Column("acc", "ACC", "mean accuracy after the last task", 1),
    Column("bwt", "BWT", "backward transfer: change since each task was learned", 1),
    Column("fwt", "FWT", "forward transfer: gain over the untrained network before learning", 1),
    Column("la", "LA", "learning accuracy: mean right after learning each task", 1),
    Column("forgetting", "forgetting", "mean drop from each task's best", -1),
)
ORDERS = (
    Column("aopd", "AOPD", "mean over tasks of the gap between the best and worst order", -1),
    Column("mopd", "MOPD", "largest gap of a task between the best and worst order", -1),
)
COSTS = (
    Column("parameters", "parameters", "numbers that the method keeps"),
    Column("capacity", "capacity", "parameters kept, over those of one network"),
    Column("memory_bytes", "memory", "bytes of stored samples"),
    Column("forward_passes", "forward", "samples passed forward through the network"),
    Column("backward_passes", "backward", "samples passed backward through the network"),
    Column("seconds_total", "seconds", "wall-clock time of a run"),
    Column("peak_rss_bytes", "peak RAM", "largest resident memory of the process"),
    Column("peak_gpu_bytes", "peak GPU", "largest memory allocated on the GPU"),
)


@dataclass
class Report:
    """``frame`` has a row per group: its labels, ``n``, ``seeds``, and for every metric
    ``_mean``, ``_std``, ``_low``, ``_high``; ``best`` names the (row, metric) that are printed in
    bold; ``differences`` is the same for pairs, with ``_p``."""

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
    runs: list[RecordedRun]

    @property
    def labels(self) -> list[str]:
        return self.grouping.labels

    def columns(self, of: Sequence[Column]) -> list[Column]:
        """Those of the columns that at least one row has a value for."""
        return [column for column in of if f"{column.key}_mean" in self.frame]


def build(
    places: Iterable[Path],
    by: Sequence[str] = (),
    baseline: str | None = None,
    interval: Interval = "t",
) -> Report:
    """Read all runs at or below ``places`` and put them in a table.

    Raises :class:`RunError` if none of them is finished.
    """
    found = collect(places)
    if not found:
        raise RunError("there are no runs there; name directories that hold some")
    kept, notes = newest_of_each(found)
    runs = [run for run in kept if run.problem is None]
    gaps = left_out(kept)
    if not runs:
        first = gaps[0]
        raise RunError(
            f"none of {len(kept)} runs is finished; the first, {clean(first.directory)}, is "
            f"{first.state}: {first.reason}"
        )
    grouping = group(runs, by)
    notes += grouping.notes + environment_notes(grouping.groups)
    vary = varying(runs)
    orders = [] if by else robustness(grouping.groups, [*vary, *_provenance(grouping)])
    frame = _frame(grouping, orders, interval)
    judged = [c for c in (*QUALITY, *ORDERS) if f"{c.key}_mean" in frame]
    differences = pd.DataFrame()
    if baseline is not None:
        chosen = Baseline(baseline, runs)
        rows, more = compare(grouping, chosen, [c.key for c in QUALITY], interval)
        differences, notes = _difference_frame(grouping, rows), notes + more
    first = runs[0].settings
    common = {
        key: text(first[key])
        for key in sorted(first)
        if all(run.settings.get(key) == first[key] for run in runs)
    }
    return Report(
        grouping, frame, _best(grouping, frame, judged), baseline, differences, orders, gaps,
        common, [clean(note, 2000) for note in notes], interval, kept,
    )  # fmt: skip


def _frame(
    grouping: Grouping, orders: Sequence[OrderRobustness], interval: Interval
) -> pd.DataFrame:
    rows = []
    for member in grouping.groups:
        row: dict[str, Any] = dict(zip(grouping.labels, member.label(grouping.labels), strict=True))
        row["n"] = len(member.runs)
        row["seeds"] = " ".join(str(run.seed) for run in member.runs)
        for column in (*QUALITY, *COSTS):
            values = [r.metrics[column.key] for r in member.runs if column.key in r.metrics]
            if values:
                found = spread(values, interval)
                for name in ("mean", "std", "low", "high"):
                    row[f"{column.key}_{name}"] = getattr(found, name)
        for entry in orders:
            if all(member.settings.get(k) == value for k, value in entry.settings.items()):
                row["aopd_mean"], row["mopd_mean"] = entry.aopd, entry.mopd
        rows.append(row)
    return pd.DataFrame(rows)


def _difference_frame(grouping: Grouping, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    table = []
    for row in rows:
        member = row["group"]
        line: dict[str, Any] = dict(
            zip(grouping.labels, member.label(grouping.labels), strict=True)
        )
        for column in QUALITY:
            if (found := row.get(column.key)) is not None:
                line["n"] = max(line.get("n", 0), found.n)
                for name in ("mean", "low", "high", "p"):
                    line[f"{column.key}_{name}"] = getattr(found, name)
        table.append(line)
    return pd.DataFrame(table)


def _best(
    grouping: Grouping, frame: pd.DataFrame, columns: Sequence[Column]
) -> set[tuple[int, str]]:
    """Rows whose printed mean is the best among those on the same stream."""
    keys = [k for k in grouping.labels if of_stream(k) and k not in ORDER_KEYS]
    blocks: dict[tuple[str, ...], list[int]] = {}
    for index, member in enumerate(grouping.groups):
        blocks.setdefault(member.label(keys), []).append(index)
    found = set()
    for rows in blocks.values():
        for column in columns:
            means = frame.loc[rows, f"{column.key}_mean"].dropna().round(4) * column.better
            if len(rows) > 1 and len(means):
                found |= {(index, column.key) for index in means.index[means == means.max()]}
    return found


def _provenance(grouping: Grouping) -> list[str]:
    return [key for key in ("code", "data") if key in grouping.groups[0].settings]
