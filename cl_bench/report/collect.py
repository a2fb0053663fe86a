"""Runs read from disk: what each one was asked to do, how it ended and what came out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cl_bench import metrics
from cl_bench.config.pairing import identity
from cl_bench.config.schema import flat, further_identity
from cl_bench.config.target import Measure, measure_of
from cl_bench.files.untrusted import (
    Damaged,
    clean,
    read_json,
    read_status,
    read_yaml,
    run_directories,
)
from cl_bench.metrics.base import Curve, Measured
from cl_bench.results.curves import read_curve
from cl_bench.results.forgotten import read_forgotten
from cl_bench.results.record import read_learned, read_results
from cl_bench.results.tuned import Tuned, read_tuned

# the sections of the config that determine a result; the rest is where and how it was computed
IDENTITY = ("method", "dataset", "model", "memory")
FORGOTTEN = "forgotten"  # among the settings: names of the tasks that a run has forgotten since
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class RecordedRun:
    """One run directory. ``settings`` is flat (``method.lr``), without the run's own ``seed``;
    ``forgotten`` among them names the tasks that the run has forgotten since, if any.

    ``problem`` says why a run cannot be part of a table; None for a finished run that was read.
    """

    directory: Path
    state: str
    problem: str | None
    time: datetime | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    names: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()  # of these tasks in the stream, from 1
    matrix: np.ndarray | None = None  # (S+1, T)
    learned: tuple[int, ...] = ()  # the task (its column) of each stay, (S,)
    curve: Curve | None = None  # tests within tasks
    metrics: dict[str, float] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    # the sections of IDENTITY, and what else determines the result
    config: dict[str, Any] = field(default_factory=dict)
    tuned: Tuned | None = None  # how its settings were chosen, if ``tune`` has chosen them

    @property
    def measure(self) -> Measure:
        """What its matrix holds."""
        return measure_of(self.config.get("dataset"))

    @property
    def code(self) -> str:
        """Version and commit of the code that computed it, and the code that was included."""
        state = self.environment.get("code")
        state = state if isinstance(state, dict) else {}
        commit = clean(state.get("commit") or "")[:8]
        parts = [clean(self.environment.get("cl_bench", "?"), 40), commit]
        included = self.environment.get("included")
        included = included if isinstance(included, dict) else {}
        words = [" ".join(p for p in parts if p) + (" changed" if state.get("changed") else "")]
        words += [f"{clean(name, 40)} {clean(sha, 80)[:8]}" for name, sha in included.items()]
        return " + ".join(words)

    @property
    def key(self) -> tuple[Any, ...]:
        """Everything that determines the result, hashable."""
        return (self.seed, *sorted((key, repr(value)) for key, value in self.settings.items()))


def collect(places: Iterable[Path]) -> list[RecordedRun]:
    """All runs at or below ``places``; a damaged one is kept with its problem."""
    return [read_run(directory) for directory in run_directories(places)]


def read_run(directory: Path) -> RecordedRun:
    """One run directory, whatever is left of it."""
    state, message, time = read_status(directory)
    run = RecordedRun(directory, state, None, time)
    problems = []
    try:
        _read_config(run)
    except Damaged as error:
        problems.append(str(error))
    if state == "finished":
        try:
            _read_results(run)
        except Damaged as error:
            problems.append(str(error))
    else:
        problems.insert(0, message or _EXPLAINED.get(state, state))
    run.problem = "; ".join(problems) or None
    return run


_EXPLAINED = {
    "running": "not finished: still running, or killed",
    "interrupted": "interrupted before the end",
}


def _read_config(run: RecordedRun) -> None:
    take_config(run, read_yaml(run.directory / "config.yaml"))


def take_config(run: RecordedRun, config: dict[str, Any]) -> None:
    """What the run was asked to do; :class:`Damaged` if ``config`` does not say."""
    for section in IDENTITY:
        values = config.get(section)
        if not isinstance(values, dict):
            raise Damaged(f"config.yaml: no section {section}")
        for key, value in values.items():
            # where there is no memory its size says nothing: it is one run in a sweep over sizes
            without = section == "memory" and values.get("name") == "none" and key != "name"
            if value is not None and not without:
                run.settings[clean(f"{section}.{key}", 80)] = _plain(value)
        run.config[section] = values
    further = further_identity(config)
    run.config |= further
    run.settings |= {clean(key, 80): _plain(value) for key, value in flat(further).items()}
    run.settings["dataset.task_identity"] = _plain(identity(config["dataset"]))
    seed = config.get("seed")
    if type(seed) is not int:
        raise Damaged("config.yaml: no seed")
    run.seed = seed


def _plain(value: Any) -> Any:
    """A setting that can be compared, sorted and printed."""
    return value if isinstance(value, bool | int | float) else clean(value)


def _read_results(run: RecordedRun) -> None:
    gone = read_forgotten(run.directory)
    if not gone.complete:
        raise Damaged(gone.sentence(run.directory))
    names, run.matrix, values = read_results(run.directory)
    run.learned = read_learned(run.directory, run.matrix)
    run.curve = read_curve(run.directory, len(names), len(run.learned), run.measure)
    take_metrics(run, values)
    run.tuned = read_tuned(run.directory)
    try:
        run.environment = read_json(run.directory / "environment.json")
    except Damaged:
        run.environment = {}  # then the code's version is unknown, which the report says
    run.names = tuple(clean(name, 80) for name in names)
    run.numbers = tuple(gone.numbers(len(names)))
    if gone:  # such a run is measured on other tasks: it must not be averaged with the others
        run.settings[FORGOTTEN] = ", ".join(gone.tasks.values())


def take_metrics(run: RecordedRun, values: dict[str, Any]) -> None:
    """Those of the metrics that are numbers."""
    run.metrics = {
        clean(key, 80): float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


REFERENCE = "joint"  # the method that learns all tasks together


def with_references(runs: Sequence[RecordedRun]) -> list[str]:
    """Add to ``runs`` the metrics that need a joint run on the same stream; notes.

    The reference has the same seed, stream and model. Where several fit, none is taken.
    """

    def occasion(run: RecordedRun) -> tuple[Any, ...]:
        model = sorted((k, repr(v)) for k, v in run.settings.items() if k.startswith("model."))
        return (run.seed, run.environment.get("stream_sha256"), run.matrix.shape, *model)

    references: dict[Any, list[RecordedRun]] = {}
    for run in runs:
        if run.settings["method.name"] == REFERENCE and run.environment.get("stream_sha256"):
            references.setdefault(occasion(run), []).append(run)
    for run in runs:
        if len(found := references.get(occasion(run), [])) == 1 and run is not found[0]:
            values = metrics.compute(
                Measured(run.matrix, run.metrics, found[0].matrix, run.learned)
            )
            run.metrics |= {key: value for key, value in values.items() if value is not None}
    if any(len(found) > 1 for found in references.values()):
        return [f"several runs of {REFERENCE} on one stream and seed: none is the reference"]
    return []


def newest_of_each(runs: Iterable[RecordedRun]) -> tuple[list[RecordedRun], list[str]]:
    """One run per seed and settings, finished ones and the latest first; notes on the others.

    The same run on two machines must not count as two observations. Runs of different code are
    kept apart; an unfinished one is dropped once the same run has finished elsewhere.
    """
    kept: dict[Any, RecordedRun] = {}
    notes = []
    done = {run.key for run in runs if run.problem is None}
    for run in sorted(runs, key=lambda run: (run.problem is None, run.time or LONG_AGO)):
        if run.seed is None:
            kept[run.directory] = run
            continue
        if run.problem is not None and run.key in done:
            continue
        data = run.environment.get("dataset") if run.problem is None else None
        content = data.get("sha256") if isinstance(data, dict) else None
        key = (run.key, run.code if run.problem is None else None, str(content))
        if (other := kept.get(key)) is not None and run.problem is None:
            same = np.array_equal(other.matrix, run.matrix, equal_nan=True)
            notes.append(
                f"{other.directory} and {run.directory} are the same run"
                f"{'' if same else ' WITH DIFFERENT RESULTS'}; the later one is used"
            )
        kept[key] = run
    return list(kept.values()), notes
