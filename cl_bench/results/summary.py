"""A finished run as tables: on the terminal and as Markdown, always made from its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cl_bench import metrics
from cl_bench.config.pairing import identity
from cl_bench.config.target import ACCURACY, Measure
from cl_bench.errors import RunError
from cl_bench.files.atomic import write_atomic
from cl_bench.files.untrusted import Damaged, clean, read_yaml
from cl_bench.metrics.base import MISSING, Metric, as_told, form
from cl_bench.results.forgotten import Forgotten, read_forgotten
from cl_bench.results.measure import read_measure
from cl_bench.results.record import read_learned, read_results

# dataset.task_identity -> what it says
KNOWN = {
    "test": "the task is known in training and in tests",
    "train": "the task is known in training, not in tests",
    "none": "the task is known nowhere, and boundaries are not told",
}
LABEL = 10  # characters of a row's label


def print_run(directory: Path, quiet: bool) -> None:
    """Tables of a finished run on stdout; off a terminal its path is the last line."""
    if not quiet:
        from cl_bench.results.terminal import output

        # off a terminal the width is our choice: a log should not wrap
        console = output(120)
        names, matrix, values, gone, learned = read_shown(directory)
        measure = read_measure(directory)
        console.print(f"Test {measure.name} in % on each task (columns) after learning each (rows)")
        console.print(heat_table(gone.numbers(len(names)), matrix, console.width, learned))
        print("\n".join(metric_lines(values, measure) + published_lines(directory, values)))
        if gone:
            print(f"{gone.sentence(directory)}; what is above is about the tasks that are left")
    print(directory)


def read_shown(
    directory: Path,
) -> tuple[list[str], np.ndarray, dict[str, Any], Forgotten, tuple[int, ...]]:
    """What is shown of a run: task names, accuracy matrix (S+1, T), metrics, what it forgot, and
    the task (its column) of each stay (S,)."""
    gone = Forgotten()
    try:
        gone = read_forgotten(directory)
        names, matrix, values = read_results(directory)
        return names, matrix, values, gone, read_learned(directory, matrix)
    except Damaged as error:
        again = f"{directory}: {error}; run it again with force=true"
        raise RunError(again if gone.complete else gone.sentence(directory)) from None


def heat_table(
    numbers: Sequence[int], matrix: np.ndarray, width: int, learned: Sequence[int]
) -> Any:
    """The matrix, accuracies or R², in percent, a row after each stay, as a table of at most
    ``width``.

    ``numbers`` (T,) are the tasks' positions in the stream, 1 to T unless some were forgotten;
    ``learned`` (S,) is the task (its column) of each stay.
    """
    from rich.table import Table
    from rich.text import Text

    tasks = len(numbers)
    longest = max(len(_whole(value)) for value in matrix.flat)  # R² may be far below 0
    cell = longest + 1 if longest > 3 else 4 if LABEL + 4 * tasks <= width else 3
    fits = max(2, (width - LABEL) // cell)
    shown = sorted({round(i) for i in np.linspace(0, tasks - 1, min(tasks, fits))})
    left_out = tasks - len(shown)
    table = Table(
        box=None,
        padding=0,
        pad_edge=False,
        caption=f"{left_out} tasks are left out here; all are in accuracy.csv"
        if left_out
        else None,
        caption_justify="left",
    )
    table.add_column("", justify="right", width=LABEL)
    for column in shown:
        table.add_column(f"{numbers[column]} ", justify="right", width=cell)
    for row in [0, *(stay + 1 for stay, task in enumerate(learned) if task in shown)]:
        cells = [
            Text("" if np.isnan(v) else f"{_whole(v)} "[:cell], style=_heat(v))
            for v in matrix[row, shown]
        ]
        table.add_row("untrained " if row == 0 else f"task {numbers[learned[row - 1]]} ", *cells)
    return table


def metric_lines(values: dict[str, Any], measure: Measure = ACCURACY) -> list[str]:
    """One line per metric, accuracies before costs: its heading, value and meaning."""
    return [
        f"{metric.heading:16}  {form(metric, values[metric.key]):>10}  {metric.meaning}"
        for metric in _told(values, measure)
    ]


def _told(values: dict[str, Any], measure: Measure) -> list[Metric]:
    """The metrics that there is a value for, accuracies before costs."""
    known = metrics.of_kind("accuracy") + metrics.of_kind("cost")
    return [as_told(metric, measure) for metric in known if metric.key in values]


def published_lines(directory: Path, values: dict[str, Any]) -> list[str]:
    """What the paper reports, for a run that was composed from a recipe of ``conf/paper/``."""
    try:
        recipe = read_yaml(directory / "config.yaml").get("recipe") or {}
    except Damaged:  # the results can be shown without
        return []
    published = recipe.get("published") or {}
    told = [
        f"{metrics.find(key).heading} {value:.4f} (here {form(metrics.find(key), values.get(key))})"
        for key, value in published.items()
    ]
    return [f"published: {', '.join(told)}; {recipe.get('source')}"] if told else []


def write_markdown(directory: Path) -> None:
    """``summary.md``: metrics, times and the matrix for people."""
    names, matrix, values, gone, learned = read_shown(directory)
    measure = read_measure(directory)
    lines = [
        f"# {directory.name}",
        "",
        *_known_lines(directory),
        "| metric | value | meaning |",
        "|---|---:|---|",
    ]
    lines += [
        f"| {metric.heading} | {form(metric, values[metric.key])} | {metric.meaning} |"
        for metric in _told(values, measure)
    ]
    if gone:
        lines += ["", f"Forgotten since: {gone.told()}. All else is about the tasks that are left."]
    lines += [
        "",
        f"Test {measure.name} in % on each task (columns) after learning each task (rows).",
        "",
        "| after | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
    ]
    for row, accuracies in enumerate(matrix):
        label = "untrained" if row == 0 else names[learned[row - 1]]
        lines.append(f"| {label} | " + " | ".join(map(_percent, accuracies)) + " |")
    write_atomic(directory / "summary.md", "\n".join(lines) + "\n")


def _known_lines(directory: Path) -> list[str]:
    """What is known of the task in the run's stream."""
    try:
        dataset = read_yaml(directory / "config.yaml").get("dataset")
    except Damaged:  # the results can be shown without
        return []
    if not isinstance(dataset, dict):
        return []
    known = KNOWN.get(identity(dataset), "?")
    return [f"Scenario {clean(dataset.get('scenario', '?'), 40)}: {known}.", ""]


def _whole(value: float) -> str:
    """A value in whole percent; nothing for what was not measured."""
    return "" if np.isnan(value) else f"{100 * value:.0f}"


def _percent(value: float) -> str:
    return MISSING if np.isnan(value) else f"{100 * value:.1f}"


def _heat(value: float) -> str:
    """The colours as rich has them; none for what was not measured."""
    if np.isnan(value):
        return ""
    ink, (red, green, blue) = heat_colours(value)
    return f"{ink} on rgb({red},{green},{blue})"


def heat_colours(value: float) -> tuple[str, tuple[int, int, int]]:
    """Dark blue for 0 (and less) through teal to yellow for 1, as red, green and blue, and before
    it the colour of text that stays readable on it."""
    stops = np.array([[48, 36, 92], [38, 110, 142], [64, 184, 116], [250, 230, 60]])
    place = min(max(value, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    red, green, blue = (stops[low] + (stops[low + 1] - stops[low]) * (place - low)).astype(int)
    return "black" if value > 0.6 else "white", (int(red), int(green), int(blue))
