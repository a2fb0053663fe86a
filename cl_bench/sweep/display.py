"""What a sweep shows: a line for every run as it ends, a bar over all of them, and at the end one
table over their seeds with the place of their files."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from cl_bench.config.target import ACCURACY
from cl_bench.errors import RunError, UsageError
from cl_bench.files.untrusted import LONGEST, clean, complain
from cl_bench.results.measure import read_measure
from cl_bench.run.job import Outcome
from cl_bench.run.progress import Display, Row, duration
from cl_bench.run.signals import silence_stdout

POLL = 0.5  # seconds between looks for the outcomes of runs elsewhere


class Shown:
    """The display of one sweep; ``overrides`` are its words, ``folder`` is where outcomes of runs
    in other processes come as ``NUMBER.json``."""

    def __init__(self, overrides: Sequence[str], folder: Path) -> None:
        self.folder = folder
        self.jobs = _jobs(overrides)
        self.quiet = "quiet=true" in overrides
        self.rest = Rest([_without_seed(words) for words in self.jobs])
        self._began = datetime.now(UTC).replace(microsecond=0)
        self._varying = {
            word.partition("=")[0] for words in zip(*self.jobs, strict=True)
            if len(set(words)) > 1 for word in words
        }  # fmt: skip
        self._told: dict[int, Outcome] = {}
        self._places: dict[str, int] = {}  # directory -> the line that told it
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._row: Row | None = None
        if sys.stderr.isatty() and not self.quiet:
            total = len(self.jobs) or None
            self._row = Display.shared().row("all runs", total, self.rest.told)
        threading.Thread(target=self._watch, daemon=True).start()

    def tell(self, number: int, overrides: str, outcome: Outcome) -> Outcome:
        """One job has ended: say so, once.

        Returns the outcome, which is a failure too if the run's results cannot be read.
        """
        with self._lock:
            if number not in self._told:
                # as the user wrote them, if a job's number says which they are
                known = number < len(self.jobs)
                words = self.jobs[number] if known else overrides.split(" ")
                self._told[number] = self._tell(words, outcome)
            return self._told[number]

    def _tell(self, words: Sequence[str], outcome: Outcome) -> Outcome:
        earlier = self._places.get(outcome.directory)
        metrics: dict[str, Any] = {}
        measure = ACCURACY
        if outcome.state == "finished":
            from cl_bench.results.summary import read_shown

            directory = Path(outcome.directory)
            try:
                metrics, measure = read_shown(directory)[2], read_measure(directory)
            except RunError as error:
                outcome = replace(outcome, state="failed", message=str(error), code=1)
        place = len(self._told) + 1
        if outcome.quiet:
            if outcome.failed:
                complain(outcome.message)
            elif outcome.state == "finished":
                _say(outcome.directory)
        else:
            name = ", ".join(_short(w) for w in words if w.partition("=")[0] in self._varying)
            scores = [
                f"{heading} {metrics[key]:7.4f}"
                for key, heading in (("acc", measure.heading), ("bwt", "BWT"))
                if isinstance(metrics.get(key), int | float)
            ]
            if outcome.state == "finished":
                before = self._from_before(outcome)
                scores.append("from before" if before else duration(metrics["seconds_total"]))
            self._line(place, name or Path(outcome.directory).name, outcome, scores, earlier)
        if outcome.state == "finished":
            self._places.setdefault(outcome.directory, place)
        new = bool(metrics) and earlier is None and not self._from_before(outcome)
        self.rest.ended(_without_seed(words), metrics.get("seconds_total") if new else None)
        if self._row is not None:
            failed = sum(told.failed for told in self._told.values()) + outcome.failed
            total = f" of {len(self.jobs)}" if self.jobs else ""
            self._row.update(f"{place}{total} runs", place, f"{failed} failed" if failed else "")
        return outcome

    def _line(
        self, place: int, name: str, outcome: Outcome, scores: list[str], earlier: int | None
    ) -> None:
        on_terminal = sys.stdout.isatty()
        total = str(len(self.jobs) or "?")
        start = f"[{place:>{len(total)}}/{total}] "
        if outcome.failed:
            told = f"{start}{name}: {outcome.state}: {clean(outcome.message, LONGEST)}"
            if on_terminal:
                told = textwrap.fill(told, _width(), subsequent_indent=" " * len(start))
            print(told, file=sys.stderr, flush=True)
            return
        if outcome.state == "duplicate" or earlier is not None:
            told = f"the same run as [{earlier}]" if earlier else "the same run as another one"
        else:
            told = "  ".join(scores)
        room = max(20, _width() - len(start) - 37)
        words = name if len(name) <= room or not on_terminal else name[: room - 1] + "…"
        where = "" if on_terminal else f"  {outcome.directory}"
        _say(f"{start}{words:<{room}}  {told}{where}")

    def _from_before(self, outcome: Outcome) -> bool:
        """Whether the run was finished before the sweep began."""
        from cl_bench.files.untrusted import read_status

        when = read_status(Path(outcome.directory))[2]
        return when is not None and when < self._began

    def _watch(self) -> None:
        """Tells the runs that are carried out in other processes, as they end."""
        while not self._over.wait(POLL):
            for path in sorted(self.folder.glob("[0-9]*.json")):
                # a file that goes or that is no outcome is told at the end
                with suppress(OSError, ValueError, TypeError), self._lock:
                    overrides, values = json.loads(path.read_text())
                    self.tell(int(path.stem), overrides, Outcome(**values))

    def close(self) -> None:
        """The bar goes, and nothing is told any more."""
        self._over.set()
        with self._lock:
            if self._row is not None:
                self._row.remove()
                self._row = None

    def print_table(self) -> None:
        """The finished runs of the sweep, averaged over seeds, and where they are."""
        directories = list(self._places)
        if self.quiet or not directories:
            return
        places = sorted({str(Path(directory).parent) for directory in directories})
        same = len([o for o in self._told.values() if not o.failed]) - len(directories)
        many = "1 run" if len(directories) == 1 else f"{len(directories)} runs"
        if same:
            many += f" for {len(directories) + same} combinations: the others change nothing"
        if len(directories) > 1:
            _say(partial(_tables, directories))
        _say(many, f"all tables: cl-bench report {' '.join(places)}", *places)


def _say(*parts: Any) -> None:
    """On stdout, lines and what prints itself; a sweep goes on though nobody reads it."""
    from cl_bench.results.terminal import output

    console = output(120)
    try:
        for part in parts:
            if isinstance(part, str):
                print(part)
            else:
                part(console)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()


def _tables(directories: Sequence[str], console: Any) -> None:
    """ACC, BWT and seconds of the runs, over their seeds."""
    from cl_bench.report.formats import print_section
    from cl_bench.report.sections import sections
    from cl_bench.report.table import build

    metrics = ("acc", "bwt", "seconds_total")
    report = build([Path(directory) for directory in directories], metrics=metrics)
    for section in sections(report):
        print_section(section, console)


class Rest:
    """How long the rest of a sweep will take: each run as long as those like it (that differ in
    the seed alone), else as those of its method, else as all; side by side as until now."""

    def __init__(
        self, kinds: Sequence[str], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._left = list(kinds)
        self._clock = clock
        self._began = self._at = clock()
        self._seconds: list[tuple[str, float]] = []

    def ended(self, kind: str, seconds: float | None) -> None:
        """A run of ``kind`` ended after ``seconds``; None if it says nothing about others."""
        with suppress(ValueError):
            self._left.remove(kind)
        self._at = self._clock()
        if seconds is not None:
            self._seconds.append((kind, seconds))

    def told(self) -> str:
        seconds = self.seconds()
        return "" if seconds is None else f"{duration(seconds)} left"

    def seconds(self) -> float | None:
        """None before a run has ended, or where nobody knows how many there are."""
        done, left = list(self._seconds), list(self._left)
        if not done or not left:
            return None
        whole = sum(self._like(kind, done) for kind in left)
        beside = sum(seconds for _, seconds in done) / max(1e-9, self._at - self._began)
        # the time between the runs counts too, and so does the run at hand
        return max(0.0, whole / max(beside, 0.2) - (self._clock() - self._at))

    @staticmethod
    def _like(kind: str, done: Sequence[tuple[str, float]]) -> float:
        method = _method(kind)
        for alike in (
            [seconds for other, seconds in done if other == kind],
            [seconds for other, seconds in done if _method(other) == method],
        ):
            if alike:
                return sum(alike) / len(alike)
        return sum(seconds for _, seconds in done) / len(done)


def _jobs(overrides: Sequence[str]) -> list[list[str]]:
    """The words of every job; empty where they cannot be counted."""
    from cl_bench.config.combinations import combinations

    try:
        return combinations(overrides, sweep=True)
    except UsageError:
        return []


def _without_seed(words: Sequence[str]) -> str:
    return " ".join(word for word in words if not word.startswith("seed="))


def _method(kind: str) -> str:
    return next((word for word in kind.split(" ") if word.startswith("method=")), "")


def _short(word: str) -> str:
    """A choice by its name alone: ``gem`` for ``method=gem``."""
    key, _, value = word.partition("=")
    return value if key in ("method", "dataset", "model", "memory") else word


def _width() -> int:
    return shutil.get_terminal_size((80, 24)).columns
