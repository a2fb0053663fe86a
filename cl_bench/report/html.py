"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cl_bench.files.untrusted import clean
from cl_bench.report import charts
from cl_bench.report.collect import Run
from cl_bench.report.grouping import text
from cl_bench.report.sections import Cell, Section, all_sections, decimal, heading
from cl_bench.report.table import ORDERS, QUALITY, Report

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
    script = (TEMPLATES / "report.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    dataset = report.common.get("dataset.name")
    page = environment.get_template("report.html.j2").render(
        W=charts.WIDTH, H=charts.HEIGHT, L=charts.LEFT, R=charts.RIGHT, B=charts.BOTTOM,
        title=f"cl-bench: {dataset}" if dataset else "cl-bench report",
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        used=sum(len(member.runs) for member in report.grouping.groups),
        rows=len(report.frame),
        notes=report.notes,
        sections=all_sections(report),
        meanings=report.columns((*QUALITY, *ORDERS)),
        memory_chart=charts.memory_chart(report),
        curves=charts.curves(report),
        heat_maps=charts.heat_maps(report),
        opd=_opd(report),
        differing=_differing(report),
        common=report.common,
        environments=_environments(report),
        runs=[_run(run, place) for run in report.runs],
        script=Markup(script),
        script_hash=Markup(f"sha256-{digest}"),
    )  # fmt: skip
    return page.lstrip()


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


def _differing(report: Report) -> Section:
    """Every setting that is not the same in all rows, also those that the labels leave out."""
    keys = [*report.labels]
    for member in report.grouping.groups:
        keys += [key for key in member.settings if key not in keys]
    rows = [[Cell(value) for value in member.label(keys)] for member in report.grouping.groups]
    return Section("", [heading(key) for key in keys], rows, len(keys))


def _environments(report: Report) -> Section:
    def describe(run: Run) -> tuple[str, ...]:
        facts = run.environment
        packages = facts.get("packages")
        torch = packages.get("torch") if isinstance(packages, dict) else None
        values = [facts.get(key) for key in ("python", "device", "threads", "cpu", "platform")]
        return (run.code, *(clean(text(value)) for value in (torch, *values)))

    kinds = Counter(describe(r) for member in report.grouping.groups for r in member.runs)
    head = ["code", "PyTorch", "Python", "device", "threads", "CPU", "platform", "runs"]
    rows = [[*map(Cell, kind), Cell(str(count))] for kind, count in kinds.items()]
    return Section("", head, rows, len(head) - 1)


def _run(run: Run, place: Path) -> dict[str, Any]:
    # "./" and the quoting keep a directory's name from being read as another kind of address
    path = os.path.relpath(run.directory, place)
    return {
        "name": clean(run.directory.name),
        "href": "./" + quote(os.fsencode(Path(path).as_posix()), safe="/"),
        "state": run.state if run.problem is None or run.state != "finished" else "damaged",
        "seed": text(run.seed),
        "acc": decimal(run.metrics.get("acc")),
        "when": "–" if run.time is None else run.time.strftime("%Y-%m-%d %H:%M"),
    }
