"""Coordinates of the report's charts; the template draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cl_bench.report.grouping import NONE, Group
from cl_bench.report.statistics import Interval, spread
from cl_bench.report.table import Report

WIDTH, HEIGHT = 440, 280  # small, so that its words stay readable on a phone
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 38
COLOURS = 8
MOST_CELLS = 30  # rows or columns of a heat map that are drawn


@dataclass
class Line:
    """``points`` and ``band`` are SVG coordinates; ``colour`` is a number, ``dash`` tells apart
    lines that share it."""

    label: str
    colour: int
    dash: int
    points: list[tuple[float, float]]
    band: list[tuple[float, float]]


@dataclass
class Chart:
    title: str
    x_label: str
    y_label: str
    x_ticks: list[tuple[float, str]] = field(default_factory=list)
    y_ticks: list[tuple[float, str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


@dataclass
class HeatMap:
    """``cells`` are x, y, colour, words and ink; ``ticks`` the task numbers at the axes."""

    title: str
    note: str
    size: int
    cells: list[tuple[float, float, str, str, str]]
    columns: list[tuple[float, str]]
    rows: list[tuple[float, str]]
    step: float
    numbers: bool


@dataclass
class Series:
    """x, mean, low and high; low and high are the mean where there is one seed."""

    label: str
    x: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


def curves(report: Report) -> list[Chart]:
    """Mean accuracy on the tasks seen so far, one chart per stream and number of tasks."""
    return [
        _chart(title, "tasks learned", "accuracy on the tasks seen", series)
        for title, series in curve_series(report)
    ]


def curve_series(report: Report) -> list[tuple[str, list[Series]]]:
    """A title and the lines of each chart of :func:`curves`."""
    keys = [key for key in report.labels if key.startswith("dataset.")]
    blocks: dict[tuple[str, ...], list[Group]] = {}
    for member in report.grouping.groups:
        tasks = {run.matrix.shape[1] for run in member.runs}
        if len(tasks) == 1 and max(tasks) > 1:
            blocks.setdefault((*member.label(keys), str(max(tasks))), []).append(member)
    shown = [key for key in report.labels if key not in keys] or report.labels
    return [
        (
            legend(members[0], keys) or report.common.get("dataset.name", ""),
            [_over_time(member, legend(member, shown), report.interval) for member in members],
        )
        for members in blocks.values()
    ]


def legend(member: Group, keys: Sequence[str]) -> str:
    values = zip(keys, member.label(keys), strict=True)
    return ", ".join(told(key, value) for key, value in values if value != NONE)


def told(key: str, value: str) -> str:
    """A choice by its name alone, any other setting with its key."""
    return value if key.endswith(".name") else f"{key.rpartition('.')[2]}={value}"


def _over_time(member: Group, label: str, interval: Interval) -> Series:
    seen = np.array([mean_seen(run.matrix) for run in member.runs])  # (seeds, T)
    found = [spread(column, interval) for column in seen.T]
    return _series(label, [*range(1, seen.shape[1] + 1)], found)


def mean_seen(matrix: np.ndarray) -> list[float]:
    """Mean accuracy over the tasks learned so far, after each task; (T,) of a (T+1, T) matrix."""
    return [float(matrix[row, :row].mean()) for row in range(1, len(matrix))]


def _series(label: str, x: list[float], found: Sequence) -> Series:
    return Series(
        label,
        x,
        [s.mean for s in found],
        [s.mean if s.low is None else max(0.0, s.low) for s in found],
        [s.mean if s.high is None else min(1.0, s.high) for s in found],
    )


def by_memory(report: Report) -> list[Series]:
    """ACC against ``memory.size`` for the methods that were run with several sizes."""
    if "memory.size" not in report.labels:
        return []
    keys = [key for key in report.labels if key != "memory.size"]
    rows: dict[str, list[tuple[float, Group]]] = {}
    for member in report.grouping.groups:
        size = member.runs[0].settings.get("memory.size")
        if isinstance(size, int | float) and size > 0:
            rows.setdefault(legend(member, keys), []).append((size, member))
    found = []
    for label, members in rows.items():
        if len({size for size, _ in members}) > 1:
            members.sort(key=lambda pair: pair[0])
            spreads = [
                spread([run.metrics["acc"] for run in member.runs], report.interval)
                for _, member in members
            ]
            found.append(_series(label, [size for size, _ in members], spreads))
    return found


def memory_chart(report: Report) -> Chart | None:
    series = by_memory(report)
    if not series:
        return None
    return _chart("", "memory size in samples (log scale)", "ACC", series, log=True)


def _chart(title: str, x: str, y: str, series: Sequence[Series], log: bool = False) -> Chart:
    scale = math.log if log else float
    xs = [scale(value) for s in series for value in s.x]
    lows, highs = [v for s in series for v in s.low], [v for s in series for v in s.high]
    ticks = _ticks(min(lows), max(highs))
    left, right, bottom, top = min(xs), max(xs), ticks[0], ticks[-1]

    def across(value: float) -> float:
        share = (scale(value) - left) / ((right - left) or 1)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def up(value: float) -> float:
        return round(
            HEIGHT - BOTTOM - (value - bottom) / (top - bottom) * (HEIGHT - BOTTOM - TOP), 1
        )

    chart = Chart(title, x, y)
    places = sorted({value for s in series for value in s.x})
    step = 1 if log else -(-len(places) // 10)
    chart.x_ticks = [(across(value), f"{value:g}") for value in places[::-step][::-1]]
    chart.y_ticks = [(up(value), f"{value:.3g}") for value in ticks]
    for index, s in enumerate(series):
        points = [(across(a), up(b)) for a, b in zip(s.x, s.mean, strict=True)]
        over = [(across(a), up(b)) for a, b in zip(s.x, s.high, strict=True)]
        under = [(across(a), up(b)) for a, b in zip(s.x, s.low, strict=True)]
        colour, dash = index % COLOURS, index // COLOURS % 3
        band = over + under[::-1] if over != under else []
        chart.lines.append(Line(s.label, colour, dash, points, band))
    return chart


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers whose first and last enclose the values."""
    room = max(high - low, 1e-3)
    power = 10 ** math.floor(math.log10(room / 4))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if room / (m * power) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


def heat_maps(report: Report) -> list[HeatMap]:
    """The accuracy matrix of every row, the mean over its seeds."""
    found = []
    for member in report.grouping.groups:
        shapes = {run.matrix.shape for run in member.runs}
        if len(shapes) == 1:
            mean = np.mean([run.matrix for run in member.runs], axis=0)
            label = legend(member, report.labels)
            found.append(_heat_map(label, len(member.runs), mean, member.runs[0].numbers))
    return found


def _heat_map(title: str, seeds: int, matrix: np.ndarray, numbers: Sequence[int]) -> HeatMap:
    tasks = matrix.shape[1]
    shown = sorted({round(i) for i in np.linspace(0, tasks - 1, min(tasks, MOST_CELLS))})
    rows = [0, *(column + 1 for column in shown)]
    size, edge = 300, 34
    step = (size - edge) / len(rows)
    cells = [
        (round(edge + i * step, 1), round(edge / 2 + j * step, 1), *_shade(matrix[row, column]))
        for j, row in enumerate(rows)
        for i, column in enumerate(shown)
    ]
    every = -(-len(rows) // 12)
    columns = [
        (round(edge + (i + 0.5) * step, 1), str(numbers[column]))
        for i, column in enumerate(shown)
        if i % every == 0
    ]
    sides = [
        (round(edge / 2 + (j + 0.5) * step, 1), str(numbers[row - 1] if row else 0))
        for j, row in enumerate(rows)
        if j % every == 0
    ]
    note = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    if len(shown) < tasks:
        note += f"; {len(shown)} of {tasks} tasks are drawn"
    return HeatMap(title, note, size, cells, columns, sides, round(step, 2), len(rows) <= 11)


def _shade(value: float) -> tuple[str, str, str]:
    """Colour from dark blue (0) to yellow (1), the percentage, and ink that stays readable."""
    stops = np.array([[48, 36, 92], [38, 110, 142], [64, 184, 116], [250, 230, 60]])
    place = value * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    red, green, blue = (stops[low] + (stops[low + 1] - stops[low]) * (place - low)).astype(int)
    return (
        f"#{red:02x}{green:02x}{blue:02x}",
        f"{100 * value:.0f}",
        "#000" if value > 0.55 else "#fff",
    )
