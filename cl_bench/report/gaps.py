"""What no table can show: runs that failed, are unfinished or damaged, or were asked for only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.errors import UsageError
from cl_bench.files.untrusted import clean
from cl_bench.report.collect import RecordedRun
from cl_bench.report.grouping import NONE, setting, split, telling_apart, varying
from cl_bench.results.asked import read_asked

# what a job's words may be to be composed here: a choice or a setting of the run, nothing that
# reads an environment or another file, and nothing of Hydra's
PLAIN = re.compile(r"(?!hydra|outputs|device|tracker)\+?[A-Za-z][\w./@]*=[^$]*")


@dataclass(frozen=True)
class LeftOut:
    """``what`` it would have been, ``state`` and ``reason`` why it is not in the table."""

    what: str
    state: str
    reason: str
    directory: str


def left_out(runs: Sequence[RecordedRun], places: Iterable[Path] = ()) -> list[LeftOut]:
    """Every run that is not in a table, and what sweeps below ``places`` were asked for and have
    not begun."""
    known = [run for run in runs if run.seed is not None]
    keys = varying(known)
    groups = split(known, keys)
    labels = telling_apart(groups, keys) if groups else []
    found = [
        LeftOut(
            _words(labels, tuple(setting(run, k) for k in labels), run.seed)
            if run.seed is not None
            else run.directory.name,
            "damaged" if run.state in ("finished", "unknown") else run.state,
            run.problem,
            str(run.directory),
        )
        for run in runs
        if run.problem is not None
    ]
    return found + _never_begun(places)


def _never_begun(places: Iterable[Path]) -> list[LeftOut]:
    found: dict[Path, LeftOut] = {}
    for place, jobs in read_asked(places):
        for words in jobs:
            name = _directory(words)
            if name is not None and not (place / name).exists():
                told = clean(" ".join(words))
                reason = "a sweep was asked for it and has not begun it; the same command goes on"
                found.setdefault(place / name, LeftOut(told, "missing", reason, ""))
    return list(found.values())


def _directory(words: Sequence[str]) -> str | None:
    """The name of the directory that a job leads to; None where that cannot be told here."""
    from cl_bench.config.compose import config_of

    told = [word for word in words if re.match(r"(outputs|device|tracker|hydra)\b", word) is None]
    if not all(PLAIN.fullmatch(word) for word in told):
        return None
    try:
        return config_of(told).directory_name()
    except UsageError:  # a method that is not here, or no longer
        return None


def _words(labels: Sequence[str], values: Sequence[str], seed: int | None = None) -> str:
    words = [
        value if key == "method.name" else f"{key}={value}"
        for key, value in zip(labels, values, strict=True)
        if value != NONE
    ]
    return ", ".join([*words, *([] if seed is None else [f"seed={seed}"])])
