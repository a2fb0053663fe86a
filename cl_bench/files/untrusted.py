"""Run directories on disk and the small files in them. Imports nothing heavy: ``ls runs`` uses it.

What is read here may have been damaged or made by somebody else: YAML without tags and anchors,
JSON, nothing that could execute, and no text that could steer a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cl_bench.errors import RunError

LARGEST = 64 * 2**20  # bytes of a file that is read whole
DEEPEST = 100  # sections within sections of a YAML file
LONGEST = 2000  # characters of a sentence's line
# how a run ended, or "running", which a killed run also leaves
STATES = ("finished", "running", "interrupted", "failed", "diverged")


class Damaged(Exception):
    """A file of a run directory does not hold what it should; the message names it."""


def run_directories(places: Iterable[Path]) -> Iterator[Path]:
    """Directories at or below ``places`` that hold a run, each once, sorted within a place.

    Symbolic links below a place are not followed, and hidden directories are not entered.
    """
    seen = set()
    for place in places:
        if not place.is_dir():
            raise RunError(f"{place} is not a directory; name one that holds runs")
        for directory in _with_results(place):
            if (real := directory.resolve()) not in seen:
                seen.add(real)
                yield directory


def _with_results(place: Path) -> Iterator[Path]:
    """Directories that hold a run's files; not below one of them. However deep they lie: a stack
    of our own has no limit, and what cannot be read is left out."""
    waiting = [place]
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as found:
                entries = list(found)
        except OSError:
            continue
        if {"status.json", "metrics.json"} & {e.name for e in entries if not e.is_dir()}:
            yield directory
            continue
        below = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
        waiting += [directory / name for name in reversed(below) if not name.startswith(".")]


def read_status(directory: Path) -> tuple[str, str, datetime | None]:
    """State, message and time from ``status.json``; the state ``unknown`` if it is damaged."""
    try:
        values = read_json(directory / "status.json")
    except Damaged as error:
        return "unknown", str(error), None
    state, message = values.get("state"), clean(values.get("message", ""))
    try:
        time = datetime.fromisoformat(str(values.get("time")))
    except ValueError:
        time = None
    if time is not None and time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    if state not in STATES:
        return "unknown", f"status.json: no such state {clean(state)!r}", time
    return state, message, time


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; :class:`Damaged` if the file holds anything else."""
    try:
        value = json.loads(read_text(path), parse_int=lambda digits: _bounded(int(digits)))
    except (ValueError, OverflowError, RecursionError) as error:
        raise Damaged(f"{path.name}: {clean(error)}") from None
    if not isinstance(value, dict):
        raise Damaged(f"{path.name}: not a JSON object")
    return value


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping of plain values: no tags, no anchors, ``${...}`` stays as it is."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is several times faster

    class PlainLoader(loader):
        def construct_whole(self, node: Any) -> int:
            return _bounded(self.construct_yaml_int(node))

    PlainLoader.add_constructor("tag:yaml.org,2002:int", PlainLoader.construct_whole)
    try:
        text, depth = read_text(path), 0
        for event in yaml.parse(text, loader):
            if getattr(event, "anchor", None):  # a few anchors can unfold to gigabytes
                raise yaml.YAMLError("anchors are not read")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:  # more than a stack may hold
                raise yaml.YAMLError("is nested too deeply")
        value = yaml.load(text, PlainLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise Damaged(f"{path.name}: {clean(error)}") from None
    if not isinstance(value, dict):
        raise Damaged(f"{path.name}: not a mapping")
    return value


def _bounded(value: int) -> int:
    """The same; OverflowError for what no float can hold and so nothing can average or draw."""
    float(value)
    return value


def read_text(path: Path) -> str:
    """The content of a regular file of reasonable size."""
    try:
        if not path.is_file():
            raise Damaged(f"{path.name} is missing")
        if path.stat().st_size > LARGEST:
            raise Damaged(f"{path.name} is larger than {LARGEST // 2**20} MiB")
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged(f"{path.name}: {clean(error)}") from None


def clean(value: object, longest: int = 300) -> str:
    """``value`` as one line of printable text; other characters become U+FFFD."""
    text = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in str(value))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def complain(message: object) -> None:
    """A sentence on stderr, as all of ours begin. It may quote what was typed or read: its lines
    stay, and whatever else would steer a terminal does not."""
    lines = [clean(line, LONGEST) for line in str(message).splitlines()]
    print("cl-bench:", "\n".join(lines), file=sys.stderr)


FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")  # what a spreadsheet reads a cell's first sign as


def table_cell(text: str) -> str:
    """Text for a CSV file in which no spreadsheet sees a formula: with an apostrophe before it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def from_table_cell(text: str) -> str:
    """The text that :func:`table_cell` was given."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def age(time: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that fits: ``3 min``, ``5 h``, ``12 d``."""
    if time is None:
        return "–"
    seconds = max(0.0, ((now or datetime.now(UTC)) - time).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
