"""What a report shows in pictures: its rows as lines and matrices, each with a style of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np

from cl_bench.config.target import Measure, together
from cl_bench.drawing.plots import (
    Chart,
    Matrix,
    Series,
    line_figure,
    matrix_figure,
    mean_seen,
    seen_words,
)
from cl_bench.drawing.style import COLUMN, PAGE, Style, colours
from cl_bench.metrics.curves import mean_seen as mean_seen_within
from cl_bench.report.grouping import NONE, Group, natural, setting
from cl_bench.report.statistics import Interval, Spread, spread
from cl_bench.report.table import Report

PANELS = 6  # tasks that have a learning curve of their own, first and last among them
SHEET = 20  # matrices of a figure


@dataclass(frozen=True)
class Picture:
    """``name`` is that of a file; ``draw`` takes matplotlib's class of a figure."""

    name: str
    title: str
    charts: list[Chart]

    def draw(self, new: type) -> Any:
        return line_figure(new, self.charts)


def pictures(report: Report) -> Iterator[Picture]:
    """Mean accuracy over time, each task's accuracy over time, ACC against memory; one of each
    for every stream that there is something for."""
    styles = Styles(report)
    streams = _streams(report)
    measure = report.measure
    for kind, title, charts in (
        ("curves", f"{measure.title} over time", _over_time),
        ("within", f"{measure.title} while it learns", _within),
        ("tasks", "Each task from when it was learned", _each_task),
        ("memory", f"{measure.heading} by memory size", _by_memory),
    ):
        count = 0
        for words, members in streams:
            if found := charts(words, members, styles, report.interval):
                count += 1
                yield Picture(kind if count == 1 else f"{kind}_{count}", title, found)


class Styles:
    """How the rows of a report are drawn: a method's colour, a memory size's dash, and a marker
    for the rest that tells rows apart."""

    def __init__(self, report: Report) -> None:
        groups = report.grouping.groups
        self.name = report.look.name
        self.number = {id(member): place for place, member in enumerate(groups)}
        self.colours = colours(method(member) for member in groups)
        sizes = {memory(member) for member in groups} - {None} if _varies(report) else set()
        self.dashes = {size: place for place, size in enumerate(sorted(sizes))}
        self.rest = [
            key for key in report.labels
            if key not in ("method.name", "memory.size") and not key.startswith("dataset.")
        ]  # fmt: skip
        others = {legend(member, self.rest, self.name) for member in groups}
        self.markers = {words: place for place, words in enumerate(sorted(others, key=natural))}

    def of(self, member: Group, told: bool = True) -> tuple[tuple[str, str, str], Style, int]:
        """Names, style and number of a row; with ``told`` its memory is among them."""
        size, rest = memory(member), legend(member, self.rest, self.name)
        dash = self.dashes.get(size) if told else None
        names = (
            self.name(method(member)),
            "" if dash is None else told_setting("memory.size", f"{size:g}"),
            rest,
        )
        style = Style(self.colours[method(member)], dash or 0, self.markers[rest])
        return names, style, self.number[id(member)]


def method(member: Group) -> str:
    return setting(member.runs[0], "method.name")


def memory(member: Group) -> float | None:
    """Samples of the memory; None for a method without one."""
    settings = member.runs[0].settings
    size = settings.get("memory.size")
    with_memory = settings.get("memory.name") != "none"
    return size if with_memory and isinstance(size, int | float) and size > 0 else None


def _varies(report: Report) -> bool:
    """Whether the size of the memory tells rows apart."""
    return "memory.size" in report.labels


def legend(member: Group, keys: Sequence[str], name: Callable[[str], str]) -> str:
    """The row's ``keys`` in words; nothing of a memory where there is none."""
    words = [
        told_setting(key, name(value))
        for key, value in zip(keys, member.label(keys), strict=True)
        if value != NONE and not (key.startswith("memory.") and memory(member) is None)
    ]
    return ", ".join(words)


def told_setting(key: str, value: str) -> str:
    """A choice by its name alone, any other setting with its key."""
    if key.endswith(".name"):
        return value
    return f"memory {value}" if key == "memory.size" else f"{key.rpartition('.')[2]}={value}"


def _streams(report: Report) -> list[tuple[str, list[Group]]]:
    """Rows that can be drawn in one chart, and what their streams are called."""
    keys = [key for key in report.labels if key.startswith("dataset.")]
    blocks: dict[tuple[str, ...], list[Group]] = {}
    for member in report.grouping.groups:
        learned = {run.learned for run in member.runs}
        if len(learned) == 1:
            blocks.setdefault((*member.label(keys), str(learned)), []).append(member)
    name = report.look.name
    common = name(report.common.get("dataset.name", ""))
    return [(legend(members[0], keys, name) or common, members) for members in blocks.values()]


def _line(
    row: tuple,
    x: Sequence[float],
    found: Sequence[Spread],
    measure: Measure,
    level: bool = False,
) -> Series:
    names, style, number = row
    measured = [not math.isnan(s.mean) for s in found]
    x, found = [*compress(x, measured)], [*compress(found, measured)]
    mean = [s.mean for s in found]
    low = [s.mean if s.low is None else max(measure.least, s.low) for s in found]
    high = [s.mean if s.high is None else min(1.0, s.high) for s in found]
    return Series(names, style, x, mean, low, high, number, level)


def measure_of_all(members: Sequence[Group]) -> Measure:
    """What the matrices of these rows hold."""
    return together(member.measure for member in members)


def _spreads(values: Sequence[Any], interval: Interval) -> list[Spread]:
    """Of every column of (seeds, x)."""
    return [spread(column, interval) for column in np.asarray(values).T]


def _over_time(
    words: str, members: Sequence[Group], styles: Styles, interval: Interval
) -> list[Chart]:
    tasks = members[0].runs[0].matrix.shape[1]
    if tasks == 1:
        return []
    measure = measure_of_all(members)
    lines = [
        _line(
            styles.of(member),
            range(1, len(member.runs[0].learned) + 1),
            _spreads([mean_seen(run.matrix, run.learned) for run in member.runs], interval),
            measure,
        )
        for member in members
    ]
    of = seen_words(*((run.matrix, run.learned) for member in members for run in member.runs))
    return [Chart(words, "tasks learned", f"{measure.name} on {of}", lines)]


def _within(
    words: str, members: Sequence[Group], styles: Styles, interval: Interval
) -> list[Chart]:
    """The rows whose runs were tested within their tasks, all at the same places."""
    lines = []
    measure = measure_of_all(members)
    for member in members:
        found = [run.curve for run in member.runs]
        if None not in found and len({curve.places.tobytes() for curve in found}) == 1:
            means = [mean_seen_within(run.curve, run.learned) for run in member.runs]
            x = found[0].places.tolist()
            lines.append(_line(styles.of(member), x, _spreads(means, interval), measure))
    lines = [line for line in lines if len(line.x)]
    seen = f"{measure.name} on the tasks seen"
    return [Chart(words, "tasks learned", seen, lines)] if lines else []


def _each_task(
    words: str, members: Sequence[Group], styles: Styles, interval: Interval
) -> list[Chart]:
    tasks = members[0].runs[0].matrix.shape[1]
    if tasks == 1:
        return []
    count = min(PANELS, tasks - 1)  # the last one has only just been learned
    charts = []
    measure = measure_of_all(members)
    learned = members[0].runs[0].learned
    for task in sorted({round(place) for place in np.linspace(0, tasks - 2, count)}):
        first = learned.index(task) + 1
        lines = [
            _line(
                styles.of(member),
                range(first, len(learned) + 1),
                _spreads([run.matrix[first:, task] for run in member.runs], interval),
                measure,
            )
            for member in members
        ]
        number = members[0].runs[0].numbers[task]
        on_it = f"{measure.name} on it"
        charts.append(Chart(f"task {number}", "after learning task", on_it, lines))
    return charts


def _by_memory(
    words: str, members: Sequence[Group], styles: Styles, interval: Interval
) -> list[Chart]:
    """A line for every method with a memory, a level one for every method without."""

    def acc(member: Group) -> Spread:
        return spread([run.metrics["acc"] for run in member.runs], interval)

    rows: dict[tuple[str, str, str], list[Group]] = {}
    for member in members:
        rows.setdefault(styles.of(member, told=False)[0], []).append(member)
    places = sorted({memory(member) for member in members} - {None})
    if len(places) < 2 or not styles.dashes:
        return []
    lines = []
    measure = measure_of_all(members)
    for alike in rows.values():
        level = [member for member in alike if memory(member) is None]
        sized = sorted((m for m in alike if memory(m) is not None), key=memory)
        for member in level:
            ends = [places[0], places[-1]]
            lines.append(
                _line(styles.of(member, told=False), ends, [acc(member)] * 2, measure, True)
            )
        if sized:
            row = styles.of(sized[0], told=False)
            places_of, found = [memory(m) for m in sized], [acc(m) for m in sized]
            lines.append(_line(row, places_of, found, measure))
    return [Chart(words, "memory size in samples", measure.heading, lines, places)]


def matrices(report: Report) -> list[tuple[int, Matrix]]:
    """Number of the row and its accuracy matrix, the mean over its seeds."""
    found = []
    for number, member in enumerate(report.grouping.groups):
        if len({run.learned for run in member.runs}) == 1:
            mean = np.mean([run.matrix for run in member.runs], axis=0)
            title = legend(member, report.labels, report.look.name)
            one = member.runs[0]
            found.append((number, Matrix(title, mean, one.numbers, one.learned, member.measure)))
    return found


def sheets(report: Report) -> Iterator[tuple[str, Any]]:
    """All matrices, some to a figure: its name and a function that draws it."""
    found = [matrix for _, matrix in matrices(report)]
    for start in range(0, len(found), SHEET):
        part = found[start : start + SHEET]
        name = "matrices" if start == 0 else f"matrices_{start // SHEET + 1}"
        wide = len(part) > 4

        def draw(new: type, part: list[Matrix] = part, wide: bool = wide) -> Any:
            return matrix_figure(new, part, PAGE if wide else COLUMN, 4 if wide else 2)

        yield name, draw
