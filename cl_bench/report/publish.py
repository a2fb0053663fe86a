"""``report --publish``: a page, records and cards that can be put anywhere and cited.

Everything is made from the records that are published, so that it holds no more than they do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cl_bench.config.target import measure_of
from cl_bench.errors import RunError, UsageError
from cl_bench.files.atomic import write_atomic
from cl_bench.metrics import known
from cl_bench.metrics.base import MISSING, as_told, form
from cl_bench.report.collect import RecordedRun
from cl_bench.report.formats import in_markdown, markdown
from cl_bench.report.grouping import Group
from cl_bench.report.html import html
from cl_bench.report.published import FILE, PublishedRun, as_published, publishable
from cl_bench.report.table import Report

CARD = "README.md"  # what places for repositories show of a directory


def check_place(place: Path) -> None:
    """A :class:`UsageError` unless ``place`` is new, empty or was published before."""
    if place.exists() and not place.is_dir():
        raise UsageError(f"--publish {place}: this is a file; name a directory")
    if place.is_dir() and any(place.iterdir()) and not (place / FILE).is_file():
        raise UsageError(f"--publish {place}: it holds other files; name a new directory")


def publish(runs: Sequence[RecordedRun], place: Path, again: Callable[[], Report]) -> list[Path]:
    """Write the results among ``runs`` to ``place`` and what is made from them; the main files.

    ``again`` reads what was written and reports on it.
    """
    check_place(place)
    told = write_lines(runs, place)
    _clear(place, {run.run for run in told})
    for run in told:
        _write_run(place / "runs" / run.run, run)
    report = again()
    for member in report.grouping.groups:
        path = place / "rows" / f"{row_id(member)}.md"
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, _row_card(report, member))
    write_atomic(place / CARD, _front(report))
    write_atomic(place / "index.html", html(report, place))
    return [place / name for name in ("index.html", CARD, FILE, "schema.json")]


def write_lines(runs: Sequence[RecordedRun], place: Path) -> list[PublishedRun]:
    """The results among ``runs`` in ``place``, a line each, and the schema; returned, too."""
    told = _unique([as_published(run) for run in runs if publishable(run)])
    if not told:
        raise RunError("--publish: none of the runs is finished")
    lines = [json.dumps(_plain(run), ensure_ascii=False, allow_nan=False) for run in told]
    place.mkdir(parents=True, exist_ok=True)
    write_atomic(place / "schema.json", json.dumps(PublishedRun.model_json_schema(), indent=2))
    write_atomic(place / FILE, "\n".join(lines) + "\n")
    return told


def _unique(told: Sequence[PublishedRun]) -> list[PublishedRun]:
    """The same with names that differ: one run of two versions of the code has one name."""
    taken: set[str] = set()
    found = []
    for run in told:
        name, count = run.run, 1
        while name in taken:
            count += 1
            name = f"{run.run[:190]}-{count}"
        taken.add(name)
        found.append(run.model_copy(update={"run": name}))
    return found


def _plain(run: PublishedRun) -> dict[str, Any]:
    return run.model_dump(mode="json", exclude_defaults=True) | {"version": run.version}


def _clear(place: Path, names: set[str]) -> None:
    """Remove the cards of an earlier publication that this one has not; nothing else."""
    cards = [path for path in place.glob("runs/*/*") if path.name in (CARD, "config.yaml")]
    for path in [*(p for p in cards if p.parent.name not in names), *place.glob("rows/*.md")]:
        path.unlink()
        if path.parent.name != "rows" and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _write_run(directory: Path, run: PublishedRun) -> None:
    """A run's card, and its configuration as a run directory has it."""
    import yaml

    directory.mkdir(parents=True, exist_ok=True)
    config = {**run.config, "seed": run.seed}
    write_atomic(directory / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    write_atomic(directory / CARD, _run_card(run))


def row_id(member: Group) -> str:
    """Names a row by its numbers: another run, or another accuracy in one, is another row."""
    digests = sorted(str(as_published(run).accuracy_sha256) for run in member.runs)
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:10]


def _run_card(run: PublishedRun) -> str:
    measure = measure_of(run.config.get("dataset"))
    lines = [f"# {in_markdown(run.run)}", ""]
    if run.state == "diverged":
        lines += [f"It diverged: {in_markdown(run.message)}", ""]
    else:
        values = [(m, run.metrics[m.key]) for m in known().values() if m.key in run.metrics]
        lines += ["| metric | value | meaning |", "|---|---:|---|"]
        values = [(as_told(m, measure), value) for m, value in values]
        lines += [f"| {m.heading} | {form(m, value)} | {m.meaning} |" for m, value in values]
        lines += [
            "", f"Test {measure.name} in % on each task (columns) after learning each (rows).", ""
        ]  # fmt: skip
        names = [in_markdown(name) for name in run.tasks]
        lines += ["| after | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
        learned = run.learned or range(1, len(names) + 1)
        rows = ["untrained", *(names[column - 1] for column in learned)]
        for after, row in zip(rows, run.accuracy, strict=True):
            lines.append(f"| {after} | " + " | ".join(map(_percent, row)) + " |")
        lines.append("")
    facts = {
        "seed": run.seed, "ended": run.time, f"{measure.plural}, sha256": run.accuracy_sha256,
        "dataset, sha256": run.dataset_sha256, "stream, sha256": run.stream_sha256,
        "forgotten since": run.forgotten, **run.environment,
        "settings": run.tuned and run.tuned.sentence(),
    }  # fmt: skip
    lines += [f"- {in_markdown(k)}: {in_markdown(_words(v))}" for k, v in facts.items() if v]
    return "\n".join([*lines, "", "Its configuration is in [config.yaml](config.yaml).", ""])


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f}"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    return str(value)


def _title(report: Report, member: Group) -> str:
    keys = zip(report.labels, member.label(report.labels), strict=True)
    words = [v if key.endswith(".name") else f"{key}={v}" for key, v in keys if v != "–"]
    return ", ".join(map(report.look.name, words))


def _row_card(report: Report, member: Group) -> str:
    """A result: its numbers, what makes it what it is, and the runs behind it."""
    index = next(i for i, other in enumerate(report.grouping.groups) if other is member)
    line = report.frame.to_dict("records")[index]
    digits, measure = report.look.digits, member.measure
    lines = [
        f"# {in_markdown(_title(report, member))}", "",
        f"Cite it as result `{row_id(member)}`: the name is made from the "
        f"{measure.plural} of its runs.",
        "", f"Mean ± sample standard deviation over {len(member.runs)} seeds.", "",
        "| metric | value | meaning |", "|---|---:|---|",
    ]  # fmt: skip
    for metric in (as_told(one, measure) for one in known().values()):
        if f"{metric.key}_mean" in line:
            values = (line[f"{metric.key}_mean"], line.get(f"{metric.key}_std"))
            if (text := form(metric, *values, digits)) != "–":
                lines.append(f"| {metric.heading} | {text} | {metric.meaning} |")
    lines += ["", "Runs:", ""]
    lines += [
        f"- [{in_markdown(run.directory.name)}](../runs/{run.directory.name}/{CARD}), seed "
        f"{run.seed}, {measure.heading} {form(known()['acc'], run.metrics['acc'], None, digits)}"
        for run in member.runs
    ]
    shared = {
        key: value for key, value in sorted(member.runs[0].settings.items())
        if all(run.settings.get(key) == value for run in member.runs)
    }  # fmt: skip
    lines += ["", "Settings:", ""]
    lines += [f"- {in_markdown(key)}: {in_markdown(str(value))}" for key, value in shared.items()]
    lines += ["", f"Code: {', '.join(sorted({in_markdown(run.code) for run in member.runs}))}."]
    return "\n".join([*lines, ""])


def _front(report: Report) -> str:
    """The first page: the tables, and where each row's card and each run are."""
    rows = [
        f"- [{in_markdown(_title(report, member))}](rows/{row_id(member)}.md): "
        f"`{row_id(member)}`, {len(member.runs)} runs"
        for member in report.grouping.groups
    ]
    return "\n".join(
        [
            "# Results", "",
            f"[index.html](index.html) shows them with pictures. [{FILE}]({FILE}) has every run, a "
            "JSON object per line as [schema.json](schema.json) describes it; `cl-bench report "
            "--merge` reads it.", "", markdown(report), "", "## Rows", "", *rows, "",
        ]
    )  # fmt: skip
