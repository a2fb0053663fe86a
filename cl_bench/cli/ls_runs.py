"""``cl-bench ls runs``: state, progress, accuracy and age of the runs below some directories."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cl_bench.config.target import R2
from cl_bench.errors import UsageError
from cl_bench.files.untrusted import (
    Damaged,
    age,
    clean,
    read_json,
    read_status,
    read_text,
    run_directories,
)
from cl_bench.results.forgotten import read_forgotten
from cl_bench.results.measure import read_measure

COLOURS = {"finished": "green", "running": "cyan", "interrupted": "yellow"}


class Listed(NamedTuple):
    """``last`` is the last sign of life; ``progress`` the tasks learned as the log tells it."""

    directory: Path
    state: str
    progress: str
    accuracy: str
    last: datetime | None


def listed(directory: Path) -> Listed:
    """One run, from its small files alone."""
    state, message, last = read_status(directory)
    accuracy, progress = "–", ""
    if state == "finished":
        try:
            acc = read_json(directory / "metrics.json").get("acc")
            progress = read_forgotten(directory).sentence(directory)
        except Damaged as error:
            return Listed(directory, "damaged", str(error), accuracy, last)
        if isinstance(acc, int | float):
            name = "R² " if read_measure(directory) is R2 else ""
            accuracy = f"{name}{acc:.4f}"
    else:
        progress, heard = _log(directory / "run.log")
        if state == "running" and heard is not None:
            last = heard
        progress = "; ".join(part for part in (progress, message) if part)
    return Listed(directory, state, progress, accuracy, last)


def _log(path: Path) -> tuple[str, datetime | None]:
    """Tasks learned according to the log, and when it was written last."""
    try:
        found = re.findall(r"task (\d{1,6})/(\d{1,6}) learned", read_text(path))
        heard = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (Damaged, OSError):
        return "", None
    return (f"task {found[-1][0]}/{found[-1][1]}" if found else "", heard)


def print_runs(arguments: list[str]) -> None:
    """The runs below the directories named, the latest last."""
    from rich.table import Table
    from rich.text import Text

    from cl_bench.results.terminal import output

    if options := [word for word in arguments if word.startswith("-")]:
        raise UsageError(f"ls runs {options[0]}: takes directories only")
    places = [Path(word) for word in arguments] or [Path("outputs")]
    never = datetime.min.replace(tzinfo=UTC)
    runs = sorted(map(listed, run_directories(places)), key=lambda run: run.last or never)
    console = output(200)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("state", no_wrap=True)
    table.add_column("ACC", justify="right", no_wrap=True)
    table.add_column("last sign", justify="right", no_wrap=True)
    table.add_column("run", overflow="fold", ratio=3)
    table.add_column("progress", overflow="fold", ratio=2)
    for run in runs:
        table.add_row(
            Text(run.state, style=COLOURS.get(run.state, "red")),
            run.accuracy,
            f"{age(run.last)} ago" if run.last else "–",
            Text(clean(run.directory)),
            Text(run.progress),
        )
    if runs:
        console.print(table)
    counts = Counter(run.state for run in runs)
    told = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    console.print(f"{len(runs)} runs" + (f": {told}" if told else ""))
