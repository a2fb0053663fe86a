"""A report as a few small tables of text, which every format then prints in its own way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from cl_bench.report.table import COSTS, ORDERS, QUALITY, Report

MISSING = "–"


class Cell(NamedTuple):
    text: str
    bold: bool = False
    sort: float | None = None  # what a column is sorted by where the text is not a number alone


class Section(NamedTuple):
    """The first ``labels`` columns are words, the others numbers."""

    title: str
    head: list[str]
    rows: list[list[Cell]]
    labels: int


def sections(report: Report) -> list[Section]:
    """Accuracy, cost, differences from the baseline and order robustness, as far as there."""
    found = [_quality(report), _cost(report)]
    if len(report.differences):
        found.append(_differences(report))
    if report.orders:
        found.append(_orders(report))
    return found


def heading(key: str) -> str:
    """``method.name`` is printed as ``method``."""
    return key.removesuffix(".name")


def _quality(report: Report) -> Section:
    judged, orders = report.columns(QUALITY), report.columns(ORDERS)
    head = [*map(heading, report.labels), "n"]
    for column in judged:
        head.append(column.heading)
        if column.key == "acc":
            head.append("95% interval")
    rows = []
    for index, line in _lines(report.frame):
        row = [*_labels(report, line), Cell(str(line["n"]), sort=line["n"])]
        for column in judged:
            best = (index, column.key) in report.best
            mean, std = line[f"{column.key}_mean"], line[f"{column.key}_std"]
            row.append(Cell(with_spread(mean, std), best, number(mean)))
            if column.key == "acc":
                row.append(Cell(bracket(line["acc_low"], line["acc_high"])))
        for column in orders:
            mean = line[f"{column.key}_mean"]
            row.append(Cell(decimal(mean), (index, column.key) in report.best, number(mean)))
        rows.append(row)
    head += [column.heading for column in orders]
    kind = "Student-t" if report.interval == "t" else "bootstrap"
    title = f"Accuracy: mean ± standard deviation over n seeds, 95% {kind} interval"
    return Section(title, head, rows, len(report.labels))


def _cost(report: Report) -> Section:
    columns = report.columns(COSTS)
    rows = [
        [
            *_labels(report, line),
            *(cost_cell(c.key, line[f"{c.key}_mean"], line[f"{c.key}_std"]) for c in columns),
        ]
        for _, line in _lines(report.frame)
    ]
    head = [*map(heading, report.labels), *(column.heading for column in columns)]
    return Section("Cost of a run, mean over seeds", head, rows, len(report.labels))


def _differences(report: Report) -> Section:
    there = [c for c in QUALITY if f"{c.key}_mean" in report.differences]
    head = [*map(heading, report.labels), "pairs"]
    for column in there:
        head += [column.heading, *(["95% interval"] if column.key == "acc" else []), "p"]
    rows = []
    for _, line in _lines(report.differences):
        row = [*_labels(report, line), Cell(str(line["n"]), sort=line["n"])]
        for column in there:
            mean, p = line[f"{column.key}_mean"], line[f"{column.key}_p"]
            row.append(Cell(signed(mean), sort=number(mean)))
            if column.key == "acc":
                row.append(Cell(bracket(line["acc_low"], line["acc_high"], signed)))
            row.append(Cell(probability(p), sort=number(p)))
        rows.append(row)
    title = (
        f"Difference from {report.baseline}, over pairs of equal seed and stream; "
        "p of a paired t-test, not corrected for the number of comparisons"
    )
    return Section(title, head, rows, len(report.labels))


def _orders(report: Report) -> Section:
    keys = [k for k in report.labels if any(k in entry.settings for entry in report.orders)]
    rows = []
    for entry in report.orders:
        worst = max(entry.opd, key=entry.opd.__getitem__)
        rows.append(
            [
                *(Cell(entry.settings.get(key, MISSING)) for key in keys),
                Cell(worst),
                Cell(str(entry.orders), sort=entry.orders),
                Cell(decimal(entry.aopd), sort=entry.aopd),
                Cell(decimal(entry.mopd), sort=entry.mopd),
            ]
        )
    title = "Order robustness: gap between the best and the worst order of the tasks"
    head = [*map(heading, keys), "most order-dependent task", "orders", "AOPD", "MOPD"]
    return Section(title, head, rows, len(keys) + 1)


def _lines(frame: Any) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(frame.to_dict("records")))


def _labels(report: Report, line: dict[str, Any]) -> list[Cell]:
    return [Cell(line[key]) for key in report.labels]


def number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def decimal(value: float | None) -> str:
    return MISSING if number(value) is None else f"{value:.4f}"


def signed(value: float | None) -> str:
    return MISSING if number(value) is None else f"{value:+.4f}"


def with_spread(mean: float | None, std: float | None) -> str:
    return decimal(mean) + ("" if number(std) is None else f" ± {std:.4f}")


def bracket(low: float | None, high: float | None, form=decimal) -> str:
    return MISSING if number(low) is None else f"[{form(low)}, {form(high)}]"


def probability(p: float | None) -> str:
    if number(p) is None:
        return MISSING
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def cost_cell(key: str, mean: float | None, std: float | None) -> Cell:
    """A count with thousands separated, bytes in a unit that fits, seconds with their spread."""
    if (value := number(mean)) is None:
        return Cell(MISSING)
    if key.endswith("_bytes"):
        return Cell(size(value), sort=value)
    if key.startswith("seconds"):
        spread = "" if number(std) is None else f" ± {std:.1f}"
        return Cell(f"{value:.1f}{spread}", sort=value)
    if key == "capacity":
        return Cell(f"{value:.2f}", sort=value)
    return Cell(f"{value:,.0f}", sort=value)


def size(value: float) -> str:
    """Bytes in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.1f} {unit}"


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
