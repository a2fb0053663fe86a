"""Runs as they are shared: a JSON object per line in ``runs.jsonl``, its schema beside it.

What is read here may be somebody else's. A line is checked against the schema, its accuracies
against their checksum, and no word of it is a path or can steer a terminal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cl_bench import metrics
from cl_bench.errors import RunError
from cl_bench.files.untrusted import Damaged, clean, read_text
from cl_bench.metrics.base import Measured
from cl_bench.report.collect import FORGOTTEN, RecordedRun, take_config, take_metrics
from cl_bench.results.record import accuracy_text, check_accuracy, check_learned, known_rows
from cl_bench.results.tuned import Tuned

FILE = "runs.jsonl"
NAME = r"[A-Za-z0-9][\w.,+=-]{0,199}"
# of environment.json: what numbers may depend on; neither the command line nor where data was
TOLD = (
    "cl_bench", "included", "code", "python", "packages", "platform", "cpu", "cores", "device",
    "threads",
)  # fmt: skip


class PublishedRun(BaseModel):
    """One run: what it was asked to do, what came out, and what it was made with."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    version: Literal[1] = Field(1, description="of this schema")
    run: str = Field(pattern=f"^{NAME}$", description="name of the run, unique in the file")
    state: Literal["finished", "diverged"] = Field(description="how the run ended")
    message: str = Field("", max_length=300, description="where it diverged")
    time: datetime | None = Field(None, description="when it ended, UTC")
    seed: int = Field(description="of tasks, order, initialisation and the method's own draws")
    config: dict[str, Any] = Field(
        description="sections method, dataset, model and memory of the resolved configuration, and "
        "what else determines the result where it is not the default; of a path the last part alone"
    )
    tasks: list[str] = Field([], max_length=100_000, description="names of the T tasks")
    numbers: list[int] = Field([], description="their positions in the stream, from 1")
    forgotten: str | None = Field(None, description="names of tasks that were forgotten since")
    learned: list[int] = Field(
        [], description="where tasks return, the task of each of S stays, from 1; else S is T"
    )
    accuracy: list[list[float | None]] = Field(
        [],
        description="S+1 rows of T accuracies, or of R² where dataset.target is regression: row 0 "
        "untrained, row i after learning i tasks; null for what was not measured",
    )
    metrics: dict[str, float] = Field({}, description="costs, and metrics as they were then")
    environment: dict[str, Any] = Field({}, description="versions, code state, machine, threads")
    accuracy_sha256: str | None = Field(None, description="of accuracy.csv with these accuracies")
    dataset_sha256: str | None = Field(None, description="of the dataset's content")
    stream_sha256: str | None = Field(None, description="of the stream: tasks, samples, order")
    tuned: Tuned | None = Field(None, description="how its settings were chosen, by cl-bench tune")


def publishable(run: RecordedRun) -> bool:
    """Whether it is a result: it finished and was read, or diverged."""
    diverged = run.state == "diverged" and run.seed is not None and bool(run.config)
    return run.problem is None or diverged


def as_published(run: RecordedRun) -> PublishedRun:
    """A run that is :func:`publishable`, as it is shared."""
    facts = run.environment
    known: dict[str, Any] = {
        "run": _name(run.directory.name), "state": run.state, "time": run.time, "seed": run.seed,
        "config": {section: _portable(values) for section, values in run.config.items()},
    }  # fmt: skip
    if run.problem is not None:
        return PublishedRun(**known, message=clean(run.problem))
    dataset = facts.get("dataset")
    return PublishedRun(
        **known, tasks=list(run.names), numbers=list(run.numbers),
        learned=[task + 1 for task in run.learned] if len(run.learned) > len(run.names) else [],
        forgotten=run.settings.get(FORGOTTEN), accuracy=known_rows(run.matrix), metrics=run.metrics,
        environment={key: facts[key] for key in TOLD if key in facts},
        accuracy_sha256=_checksum(run.names, run.matrix),
        dataset_sha256=dataset.get("sha256") if isinstance(dataset, dict) else None,
        stream_sha256=facts.get("stream_sha256"), tuned=run.tuned,
    )  # fmt: skip


def _name(word: str) -> str:
    """A directory's name with nothing in it but what every file system and address takes."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_.,+=-") else "_" for c in word)
    return (kept if kept[:1].isalnum() else f"run{kept}")[:200]


def _portable(value: Any) -> Any:
    """A setting without the folders of the machine that it was made on."""
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    return value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else value


def _checksum(names: Iterable[str], matrix: np.ndarray) -> str:
    return hashlib.sha256(accuracy_text(list(names), matrix).encode()).hexdigest()


def read_published(places: Iterable[Path]) -> list[RecordedRun]:
    """The runs that others have published in directories, or in files of that kind.

    A line that is not what it should be is kept with its problem; a :class:`RunError` where there
    is no such file.
    """
    found = []
    for place in places:
        path = place / FILE if place.is_dir() else place
        try:
            lines = read_text(path).splitlines()
        except Damaged as error:
            raise RunError(f"--merge {place}: {error}; name what --publish has written") from None
        found += [
            _read_line(line, path, number) for number, line in enumerate(lines, start=1) if line
        ]
    return found


def _read_line(line: str, path: Path, number: int) -> RecordedRun:
    where = path.parent / "runs"
    try:
        told = PublishedRun.model_validate(json.loads(line, parse_int=_whole))
        run = RecordedRun(where / told.run, told.state, None, told.time)
        take_config(run, {**told.config, "seed": told.seed})
        run.environment = {
            **told.environment, "dataset": {"sha256": told.dataset_sha256},
            "stream_sha256": told.stream_sha256,
        }  # fmt: skip
        if told.state == "diverged":
            run.problem = clean(told.message) or "diverged"
            return run
        _take_accuracy(run, told)
        run.tuned = told.tuned
        return run
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (ValueError, OverflowError, RecursionError, Damaged) as error:
        reason = str(error)
    return RecordedRun(path, "unknown", f"{path.name}, line {number}: {clean(reason)}")


def _whole(digits: str) -> int:
    """An integer; OverflowError for what no float can hold and so nothing can average or draw."""
    value = int(digits)
    float(value)
    return value


def _take_accuracy(run: RecordedRun, told: PublishedRun) -> None:
    run.names = tuple(clean(name, 80) for name in told.tasks)
    run.matrix = np.array(told.accuracy, dtype=np.float64)
    check_accuracy(run.names, run.matrix, run.measure)
    run.numbers = tuple(told.numbers)
    if len(run.numbers) != len(run.names):
        raise Damaged(f"{len(run.numbers)} numbers for {len(run.names)} tasks")
    if told.accuracy_sha256 != _checksum(told.tasks, run.matrix):
        raise Damaged("the accuracies are not those of accuracy_sha256: they were changed")
    run.learned = tuple(task - 1 for task in told.learned) or tuple(range(len(run.names)))
    check_learned(run.learned, run.matrix, "learned")
    take_metrics(run, metrics.compute(Measured(run.matrix, told.metrics, learned=run.learned)))
    if told.forgotten is not None:
        run.settings[FORGOTTEN] = clean(told.forgotten)
