"""A report as a few small tables of text, which every format then prints in its own way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from cl_bench.errors import UsageError
from cl_bench.metrics.base import AS_IS, MISSING, Digits, Metric, as_told, form
from cl_bench.report.across import Across
from cl_bench.report.best import best
from cl_bench.report.grouping import NONE, natural, of_stream, resolve, setting
from cl_bench.report.statistics import LEVEL
from cl_bench.report.table import Report


class Cell(NamedTuple):
    text: str
    bold: bool = False
    sort: float | None = None  # what a column is sorted by where the text is not a number alone
    around: float | None = None  # what follows ±


class Section(NamedTuple):
    """The first ``labels`` columns are words, the others numbers; ``note`` says how to read it."""

    title: str
    head: list[str]
    rows: list[list[Cell]]
    labels: int
    note: str = ""


def sections(report: Report) -> list[Section]:
    """Accuracy, cost, differences from the baseline and order robustness, as far as there; with
    rows and columns of one's own a table of each metric in place of the first two."""
    if report.look.rows or report.look.columns:
        found = [section for _, section in pivots(report)]
    else:
        found = [*_quality(report), *_cost(report)]
    if len(report.differences):
        found.append(_differences(report))
    if report.across is not None:
        found.append(_across(report, report.across))
    if report.orders:
        found.append(_orders(report))
    return found


def heading(key: str) -> str:
    """``method.name`` is printed as ``method``."""
    return key.removesuffix(".name")


def spread_words(report: Report) -> str:
    """What ± says in this report."""
    kind = "Student-t" if report.interval == "t" else "bootstrap"
    return {
        "std": "sample standard deviation",
        "se": "standard error of the mean",
        "ci": f"half the width of the 95% {kind} interval",
    }[report.look.spread]


def bold_words(report: Report) -> str:
    """What bold says in this report."""
    test = {"t": "paired t-test", "wilcoxon": "Wilcoxon signed-rank test"}[report.test]
    return (
        f"bold: the best mean of a stream and all that a {test} over its seeds does not tell apart "
        f"from it (p < {LEVEL:g}, Holm)"
    )


def _quality(report: Report) -> Iterator[Section]:
    judged = report.shown("accuracy", "order")
    if not judged:
        return
    with_interval = report.look.spread != "ci"
    head = [*_heads(report), "n"]
    for metric in judged:
        head.append(report.look.name(metric.heading))
        if metric.key == "acc" and with_interval:
            head.append(INTERVAL)
    rows = []
    for index, line in _lines(report.frame):
        row = [*_labels(report, line), Cell(str(line["n"]), sort=line["n"])]
        for metric in judged:
            row.append(_value(report, metric, line, (index, metric.key) in report.best))
            if metric.key == "acc" and with_interval:
                row.append(_interval(report, metric, line))
        rows.append(row)
    note = f"Mean ± {spread_words(report)} over n seeds; {bold_words(report)}"
    yield Section(_subject(report), head, rows, len(report.labels), note)


def _subject(report: Report) -> str:
    return report.measure.title + " in %" * report.look.digits.percent


def _value(report: Report, metric: Metric, line: dict[str, Any], bold: bool) -> Cell:
    mean = number(line[f"{metric.key}_mean"])
    look = report.look
    if look.spread == "ci":
        low, high = (number(line.get(f"{metric.key}_{side}")) for side in ("low", "high"))
        around = None if low is None or high is None else (high - low) / 2
    else:
        around = number(line.get(f"{metric.key}_{look.spread}"))
    return Cell(form(metric, mean, around, look.digits), bold, mean, around)


def _interval(report: Report, metric: Metric, line: dict[str, Any], sign: bool = False) -> Cell:
    low, high = (number(line.get(f"{metric.key}_{side}")) for side in ("low", "high"))
    if low is None or high is None:
        return Cell(MISSING)
    shown = [form(metric, value, None, report.look.digits, sign) for value in (low, high)]
    return Cell(f"[{', '.join(shown)}]")


def _cost(report: Report) -> Iterator[Section]:
    costs = report.shown("cost")
    if not costs:
        return
    rows = [
        [*_labels(report, line), *(_value(report, metric, line, False) for metric in costs)]
        for _, line in _lines(report.frame)
    ]
    head = [*_heads(report), *(report.look.name(metric.heading) for metric in costs)]
    note = f"Mean ± {spread_words(report)} over seeds"
    yield Section("Cost of a run", head, rows, len(report.labels), note)


def pivots(report: Report) -> list[tuple[Metric, Section]]:
    """A table for each metric, its rows and columns as asked for."""
    shown = report.shown("accuracy", "order", "cost")
    return [(metric, _pivot(report, metric)) for metric in shown]


def _pivot(report: Report, metric: Metric) -> Section:
    """One metric: rows by some settings, columns by others."""
    look = report.look
    runs = [run for member in report.grouping.groups for run in member.runs]
    columns = [resolve(key, runs) for key in look.columns]
    keys = [resolve(key, runs) for key in look.rows]
    keys = keys or [key for key in report.labels if key not in columns]
    cells: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
    heads: set[tuple[str, ...]] = set()
    for index, member in enumerate(report.grouping.groups):
        row, head = (tuple(setting(member.runs[0], key) for key in k) for k in (keys, columns))
        cells.setdefault(row, {}).setdefault(head, []).append(index)
        heads.add(head)
    _check_pivot(report, [found for row in cells.values() for found in row.values()])
    within = [k for k in columns if k != "method.name" and not of_stream(k)]
    for member in report.grouping.groups:
        member.settings |= {key: setting(member.runs[0], key) for key in within}
    judged = [metric] if metric.better else []
    bold = best(report.grouping, report.frame, judged, report.test, within)
    lines: list[Any] = report.frame.to_dict("records")
    order = sorted(heads, key=lambda head: [natural(value) for value in head])
    rows = []
    for row, found in cells.items():
        shown = [Cell(look.name(value)) for value in row]
        for head in order:
            if head not in found:
                shown.append(Cell(MISSING))
                continue
            (index,) = found[head]
            shown.append(_value(report, metric, lines[index], (index, metric.key) in bold))
        rows.append(shown)
    counts = sorted(set(report.frame["n"]))
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    in_percent = look.digits.percent and metric.unit == "share"
    note = f"{metric.meaning[0].upper()}{metric.meaning[1:]}: mean ± {spread_words(report)} over "
    note += f"{seeds} seeds" + (f"; {bold_words(report)}" if metric.better else "")
    named = [
        ", ".join(_column(report, k, v) for k, v in zip(columns, h, strict=True)) for h in order
    ]
    head = [*(look.name(heading(key)) for key in keys), *(n or metric.heading for n in named)]
    title = look.name(metric.heading) + " in %" * in_percent
    return Section(title, head, rows, len(keys), note)


def _check_pivot(report: Report, cells: Sequence[list[int]]) -> None:
    """A :class:`UsageError` if several rows of the report fall into one cell."""
    for found in cells:
        members = [report.grouping.groups[index] for index in found]
        if len(members) > 1:
            different = [
                key for key in members[0].settings
                if len({member.settings.get(key) for member in members}) > 1
            ]  # fmt: skip
            raise UsageError(
                f"--rows, --columns: {len(members)} results fall into one cell, they differ in "
                f"{', '.join(different)}; name it in --rows or --columns, or average with --by"
            )


def _column(report: Report, key: str, value: str) -> str:
    """A choice by its name alone, any other setting with its key."""
    look = report.look
    if key == "memory.size" and value == NONE:
        return look.name("no memory")
    if key.endswith(".name"):
        return look.name(value)
    return f"{look.name(key) if key in look.names else key.rpartition('.')[2]}={look.name(value)}"


def _differences(report: Report) -> Section:
    there = [m for m in report.shown("accuracy") if f"{m.key}_mean" in report.differences]
    head = [*_heads(report), "pairs"]
    for metric in there:
        head += [report.look.name(metric.heading)]
        head += [INTERVAL] if metric.key == "acc" else []
        head += [P, HOLM]
    rows = []
    digits = report.look.digits
    for _, line in _lines(report.differences):
        row = [*_labels(report, line), Cell(str(line["n"]), sort=line["n"])]
        for metric in there:
            mean = number(line[f"{metric.key}_mean"])
            row.append(Cell(form(metric, mean, None, digits, sign=True), sort=mean))
            if metric.key == "acc":
                row.append(_interval(report, metric, line, sign=True))
            for p in (line[f"{metric.key}_p"], line[f"{metric.key}_p_holm"]):
                row.append(Cell(probability(p), sort=number(p)))
        rows.append(row)
    test = {"t": "a paired t-test", "wilcoxon": "a Wilcoxon signed-rank test"}[report.test]
    title = f"Difference from {report.baseline}{' in %' * digits.percent}"
    note = (
        f"Over pairs of equal seed and stream; p of {test}, raw and after Holm's correction over "
        "the rows"
    )
    return Section(title, head, rows, len(report.labels), note)


def _across(report: Report, found: Across) -> Section:
    """The rows by their mean rank over the streams."""
    look, metric = report.look, as_told(found.metric, report.measure)
    letters = ["" for _ in found.standings]
    for place, (first, last) in enumerate(found.alike):
        for row in range(first, last + 1):
            letters[row] += chr(ord("a") + place)
    head = [*(look.name(heading(key)) for key in found.keys), "mean rank"]
    head += ["not told apart"] if found.critical is not None else []
    head += ["interquartile mean", INTERVAL]
    head += ["better than baseline", INTERVAL] if report.baseline else []
    rows = []
    for standing, words in zip(found.standings, letters, strict=True):
        row = [Cell(look.name(word)) for word in standing.label]
        row.append(Cell(f"{standing.rank:.2f}", sort=standing.rank))
        row += [Cell(words or MISSING)] if found.critical is not None else []
        row += _estimate(metric, standing.iqm, look.digits)
        if report.baseline:
            row += _estimate(_SHARE, standing.improvement, Digits(digits=2))
        rows.append(row)
    note = (
        f"{look.name(metric.heading)} on {len(found.streams)} streams "
        f"({', '.join(found.streams)}); rank 1 is the best; interquartile mean of all runs, "
        "bootstrap stratified by stream"
    )
    if report.baseline:
        note += f"; probability that a run is better than one of {report.baseline}"
    if found.critical is not None:
        told = "–" if found.friedman is None else probability(found.friedman)
        note += f"; Friedman p {told}, critical difference {found.critical:.2f} (Nemenyi, "
        note += f"{LEVEL:g}): rows that share a letter are not told apart"
    return Section("Across streams", head, rows, len(found.keys), note)


def _estimate(
    metric: Metric, found: tuple[float, float, float] | None, digits: Digits
) -> list[Cell]:
    if found is None:
        return [Cell(MISSING), Cell(MISSING)]
    value, low, high = (form(metric, number, None, digits) for number in found)
    return [Cell(value, sort=found[0]), Cell(f"[{low}, {high}]")]


def _orders(report: Report) -> Section:
    keys = [k for k in report.labels if any(k in entry.settings for entry in report.orders)]
    shown = report.shown("order")
    rows = []
    for entry in report.orders:
        worst = max(entry.opd, key=entry.opd.__getitem__)
        values = [(metric, entry.metrics[metric.key]) for metric in shown]
        rows.append(
            [
                *(Cell(report.look.name(entry.settings.get(key, MISSING))) for key in keys),
                Cell(worst),
                Cell(str(entry.orders), sort=entry.orders),
                *(Cell(form(m, v, None, report.look.digits), sort=v) for m, v in values),
            ]
        )
    title, note = "Order robustness", "Gap between the best and the worst order of the tasks"
    head = [*(report.look.name(heading(key)) for key in keys), "most order-dependent task"]
    head += ["orders", *(report.look.name(metric.heading) for metric in shown)]
    return Section(title, head, rows, len(keys) + 1, note)


def _lines(frame: Any) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(frame.to_dict("records")))


def _heads(report: Report) -> list[str]:
    return [report.look.name(heading(key)) for key in report.labels]


def _labels(report: Report, line: dict[str, Any]) -> list[Cell]:
    return [Cell(report.look.name(line[key])) for key in report.labels]


def number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def decimal(value: float | None, digits: Digits = AS_IS) -> str:
    """A share as it is printed alone."""
    return form(_SHARE, value, None, digits)


_SHARE = Metric("", "", "", lambda run: None)


def probability(p: float | None) -> str:
    if number(p) is None:
        return MISSING
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def left_out_section(report: Report) -> Section:
    rows = [
        [Cell(gap.what), Cell(gap.state), Cell(gap.reason)]
        for gap in report.left_out
    ]  # fmt: skip
    return Section("Not in the tables", ["run", "state", "reason"], rows, 3)


def all_sections(report: Report) -> Sequence[Section]:
    """The tables and, last, what is not in them."""
    more = [left_out_section(report)] if report.left_out else []
    return [*sections(report), *more]


# columns that say more about the one before them and stay beside it
INTERVAL, P, HOLM = "95% interval", "p", "Holm"


def narrow(section: Section, width: Callable[[list[str]], float], room: float) -> list[Section]:
    """``section`` as several of at most ``room``, each with all its label columns.

    ``width`` is that of a column, of the words in it. A metric stays with its interval and its p;
    what is too wide already stands alone.
    """
    columns = [
        [name, *(row[i].text for row in section.rows)] for i, name in enumerate(section.head)
    ]
    widths = [width(column) for column in columns]
    blocks: list[list[int]] = []
    for place in range(section.labels, len(columns)):
        if blocks and section.head[place] in (INTERVAL, P, HOLM):
            blocks[-1].append(place)
        else:
            blocks.append([place])
    parts: list[list[int]] = [[]]
    left = free = room - sum(widths[: section.labels])
    for block in blocks:
        needed = sum(widths[place] for place in block)
        if parts[-1] and needed > left:
            parts.append([])
            left = free
        parts[-1] += block
        left -= needed
    labels = [*range(section.labels)]
    return [
        Section(
            f"{section.title} (continued)" if count else section.title,
            [section.head[i] for i in labels + part],
            [[row[i] for i in labels + part] for row in section.rows],
            section.labels,
            "" if count else section.note,
        )
        for count, part in enumerate(parts)
    ]
