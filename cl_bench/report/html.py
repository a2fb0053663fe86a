"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cl_bench.drawing import style
from cl_bench.drawing.plots import bar_figure, page_matrix
from cl_bench.files.untrusted import clean
from cl_bench.report import charts
from cl_bench.report.collect import RecordedRun
from cl_bench.report.commands import Commands
from cl_bench.report.grouping import Group, setting, split, telling_apart, text, varying
from cl_bench.report.sections import Cell, Section, all_sections, decimal, heading
from cl_bench.report.table import Report
from cl_bench.results.record import known_rows

TEMPLATES = Path(__file__).parent / "templates"


def html(report: Report, place: Path) -> str:
    """The page; links to run directories are relative to the directory ``place``.

    All text is escaped, and the page's own policy lets no script run but its own.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["tuple_of"] = tuple
    script = (TEMPLATES / "report.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    dataset = report.common.get("dataset.name")
    commands = Commands()
    page = environment.get_template("report.html.j2").render(
        title=f"cl-bench: {dataset}" if dataset else "cl-bench report",
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        used=sum(len(member.runs) for member in report.grouping.groups),
        found=len(report.runs),
        rows=len(report.frame),
        notes=report.notes,
        sections=all_sections(report),
        beside=_beside(report, commands),
        measure=report.measure,
        meanings=report.shown("accuracy", "order"),
        pictures=_pictures(report),
        colours=style.COLOURS,
        drawn=json.dumps(_drawn(report)),
        choices=_choices(report),
        heads=report.look.name,
        opd=_opd(report),
        every_run=_every_run(report, place, commands),
        differing=_differing(report),
        common=report.common,
        environments=_environments(report),
        script=Markup(script),
        script_hash=Markup(f"sha256-{digest}"),
    )  # fmt: skip
    return page.lstrip()


@dataclass
class Pictures:
    """SVG of the charts, each with its title, and of the matrices, with what a pointer reads.

    Empty without matplotlib, and ``missing`` then says so.
    """

    missing: str = ""
    lines: list[tuple[str, Any]] = field(default_factory=list)
    bar: Any = ""
    matrices: list[dict[str, Any]] = field(default_factory=list)


def _pictures(report: Report) -> Pictures:
    from markupsafe import Markup

    if not style.available():
        return Pictures("No pictures: pip install 'cl-bench[plot]'")
    found = Pictures()
    with style.styled() as new:
        for picture in charts.pictures(report):
            drawn = style.svg(picture.draw(new), picture.name)
            found.lines.append((picture.title, Markup(drawn)))  # it has escaped all words
        found.bar = Markup(style.svg(bar_figure(new, report.measure), "bar"))
        draw = page_matrix(new)
        for number, matrix in charts.matrices(report):
            figure, box = draw(matrix)
            found.matrices.append(
                {
                    "number": number, "title": matrix.title, "box": json.dumps(box),
                    "svg": Markup(style.svg(figure, f"matrix-{number}")),
                    "numbers": json.dumps(list(matrix.numbers)),
                    "rows": json.dumps(matrix.rows),
                    "values": json.dumps(known_rows((100 * matrix.values).round(1))),
                    "seeds": len(report.grouping.groups[number].runs),
                }
            )  # fmt: skip
    return found


def _drawn(report: Report) -> list[list[str]]:
    """Method and dataset of every row, by which pictures are filtered."""
    return [list(_kind(report, member)) for member in report.grouping.groups]


def _kind(report: Report, member: Group) -> tuple[str, str]:
    dataset = setting(member.runs[0], "dataset.name")
    return report.look.name(charts.method(member)), report.look.name(dataset)


def _choices(report: Report) -> dict[str, list[str]]:
    """What there is to filter by, where there is more than one."""
    kinds = zip(*_drawn(report), strict=True)
    found = {
        name: sorted(set(values)) for name, values in zip(("method", "dataset"), kinds, strict=True)
    }
    return {name: values for name, values in found.items() if len(values) > 1}


def _beside(report: Report, commands: Commands) -> dict[tuple[str, ...], dict[str, str]]:
    """Labels of a row -> the command that makes it, and what became of runs that are not in it."""
    found = {}
    for member in report.grouping.groups:
        label = member.label(report.labels)
        states = Counter(
            run.state for run in report.runs
            if run.problem is not None and run.seed is not None
            and tuple(setting(run, key) for key in report.labels) == label
        )  # fmt: skip
        lost = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        found[tuple(map(report.look.name, label))] = {
            "command": commands.of(member.runs),
            "lost": lost,
        }
    return found


def _opd(report: Report) -> Section | None:
    if not report.orders:
        return None
    tasks = list(dict.fromkeys(task for entry in report.orders for task in entry.opd))
    names = [
        ", ".join(v for k, v in entry.settings.items() if k in report.labels)
        for entry in report.orders
    ]
    rows = [
        [Cell(task), *(Cell(decimal(e.opd.get(task)), sort=e.opd.get(task)) for e in report.orders)]
        for task in tasks
    ]
    return Section("", ["task", *names], rows, 1)


def _every_run(report: Report, place: Path, commands: Commands) -> dict[str, Any]:
    """A line for equal settings, a cell for every seed: what came of it, wherever it is."""
    known = [run for run in report.runs if run.seed is not None]
    keys = varying(known)
    groups = split(known, keys)
    labels = telling_apart(groups, keys)
    seeds = sorted({run.seed for run in known})
    name = report.look.name
    rows = []
    for member in groups:
        cells: dict[Any, list[Any]] = {seed: [] for seed in seeds}
        for run in member.runs:
            cells[run.seed].append(_run(run, place, commands))
        words = [name(value) for value in member.label(labels)]
        rows.append({"labels": words, "cells": list(cells.values())})
    others = [_run(run, place, commands) for run in report.runs if run.seed is None]
    return {
        "head": [*(name(heading(key)) for key in labels), *(f"seed {seed}" for seed in seeds)],
        "labels": len(labels), "rows": rows, "others": others,
    }  # fmt: skip


def _run(run: RecordedRun, place: Path, commands: Commands) -> dict[str, Any]:
    # "./" and the quoting keep a directory's name from being read as another kind of address
    path = os.path.relpath(run.directory, place)
    damaged = run.problem is not None and run.state == "finished"
    return {
        "name": clean(run.directory.name),
        "href": "./" + quote(os.fsencode(Path(path).as_posix()), safe="/"),
        "state": "damaged" if damaged else run.state,
        "shown": decimal(run.metrics.get("acc")) if run.problem is None else "",
        "reason": run.problem or "",
        "when": "" if run.time is None else run.time.strftime("%Y-%m-%d %H:%M"),
        "command": commands.of([run]),
    }


def _differing(report: Report) -> Section:
    """Every setting that is not the same in all rows, also those that the labels leave out."""
    keys = [*report.labels]
    for member in report.grouping.groups:
        keys += [key for key in member.settings if key not in keys]
    name = report.look.name
    rows = [
        [Cell(name(value)) for value in member.label(keys)] for member in report.grouping.groups
    ]
    return Section("", [name(heading(key)) for key in keys], rows, len(keys))


def _environments(report: Report) -> Section:
    def machine(run: RecordedRun) -> tuple[str, ...]:
        facts = run.environment
        packages = facts.get("packages")
        torch = packages.get("torch") if isinstance(packages, dict) else None
        values = [facts.get(key) for key in ("python", "device", "threads", "cpu", "platform")]
        return (run.code, *(clean(text(value)) for value in (torch, *values)))

    kinds = Counter(machine(r) for member in report.grouping.groups for r in member.runs)
    head = ["code", "PyTorch", "Python", "device", "threads", "CPU", "platform", "runs"]
    rows = [[*map(Cell, kind), Cell(str(count))] for kind, count in kinds.items()]
    return Section("", head, rows, len(head) - 1)
