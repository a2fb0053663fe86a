"""The directory of one run: every file whole, the completion mark last."""

from __future__ import annotations

import csv
import io
import logging
import math
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cl_bench import metrics
from cl_bench.config.target import ACCURACY, Measure
from cl_bench.errors import RunError
from cl_bench.files.atomic import PARTIAL, remove_partial, write_atomic, write_json
from cl_bench.files.untrusted import (
    Damaged,
    clean,
    from_table_cell,
    read_json,
    read_text,
    table_cell,
)
from cl_bench.metrics.base import Curve, Measured
from cl_bench.results.curves import FILE as CURVES
from cl_bench.results.curves import curves_text, read_curve
from cl_bench.results.forgotten import FILE as FORGOTTEN
from cl_bench.results.forgotten import read_forgotten
from cl_bench.results.measure import read_measure

log = logging.getLogger("cl_bench")


# Kept while a run is under way, so that a disk that has become full has room for how it ended. The
# name is that of a file written in part: what a killed process leaves is removed like those.
RESERVE, RESERVED = f".room-for-the-last-word{PARTIAL}", 2**15
LOCK_PATIENCE = 1.0  # seconds in which the process that holds a lock has said who it is


class Busy(RunError):
    """Another process is writing the run; ``sweep`` is the one that it belongs to, if any."""

    def __init__(self, message: str, sweep: str | None) -> None:
        super().__init__(message)
        self.sweep = sweep


class RunRecord:
    """Writes one run's files under ``directory``; ``status.json`` says how far it came.

    ``sweep`` names the sweep that the run is a part of.
    """

    def __init__(self, directory: Path, sweep: str | None = None) -> None:
        self.directory = directory
        self.sweep = sweep

    @property
    def status(self) -> dict[str, Any]:
        """The content of ``status.json``; empty if there is none that can be read."""
        try:
            return read_json(self.directory / "status.json")
        except Damaged:
            return {}

    @property
    def finished(self) -> bool:
        return self.status.get("state") == "finished"

    def finished_already(self) -> str:
        """The sentence for who would run it again."""
        try:
            more = read_forgotten(self.directory).sentence(self.directory)
        except Damaged as error:
            more = str(error)
        more = f" ({more})" if more else ""
        return f"{self.directory} is finished already{more}; force=true runs it again"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the directory and hold it for this process; :class:`Busy` if another one has it.

        What a killed process wrote only in part is removed. The lock goes with the process,
        however it ends.
        """
        import filelock

        if self.directory.is_symlink():
            raise RunError(
                f"{self.directory} is a symbolic link and is not written to; remove it or choose "
                "another outputs=DIR"
            )
        lock = filelock.FileLock(self.directory / ".lock", timeout=LOCK_PATIENCE)
        with self._telling("make"):
            self.directory.mkdir(parents=True, exist_ok=True)
        try:
            with self._telling("write to"):
                lock.acquire()
        except filelock.Timeout:
            raise self._busy() from None
        try:
            remove_partial(self.directory)  # nobody else writes here now
            yield
        finally:
            lock.release()

    def start(self, config: dict[str, Any]) -> None:
        """Say in the directory, which is made, what will be run and by whom."""
        with self._telling("make"):
            self.directory.mkdir(parents=True, exist_ok=True)
        with self._telling("write to"):
            # not zeros: some disks take no room for those
            write_atomic(self.directory / RESERVE, os.urandom(RESERVED))
        self.mark("running")
        (self.directory / FORGOTTEN).unlink(missing_ok=True)  # what was forgotten is learned anew
        from omegaconf import OmegaConf

        write_atomic(self.directory / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))

    def mark(self, state: str, message: str = "") -> None:
        """State: running, finished, failed, diverged or interrupted."""
        if state != "running":
            (self.directory / RESERVE).unlink(missing_ok=True)
        status = {
            "state": state,
            "message": message,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "process": {"pid": os.getpid(), "host": platform.node(), "sweep": self.sweep},
        }
        write_json(self.directory / "status.json", status)

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError:  # a lock's, and an OSError
            raise
        except OSError as error:
            raise RunError(
                f"cannot {what} {self.directory}: {error.strerror}; choose another outputs=DIR"
            ) from None

    def _busy(self) -> Busy:
        process = self.status.get("process")
        process = process if isinstance(process, dict) else {}
        who = f"process {process.get('pid', '?')} on {process.get('host', '?')}"
        return Busy(
            f"{self.directory} is being run by {who}; wait for it or stop it first",
            process.get("sweep"),
        )

    def write(
        self,
        task_names: list[str],
        matrix: np.ndarray,
        values: dict[str, Any],
        environment: dict[str, Any],
        diagnostics: dict[str, Any],
        timings: list[dict[str, float]],
        curve: Curve | None = None,
    ) -> None:
        """All results: the (S+1, T) matrix, ``values`` of the metrics, seconds of each stay, the
        tests within tasks if there were any."""
        seconds = [list(row.values()) for row in timings]
        write_atomic(self.directory / "timings.csv", _csv(list(timings[0]), seconds))
        write_json(self.directory / "environment.json", environment)
        self.write_curve(task_names, curve)
        self.write_numbers(task_names, matrix, values, diagnostics)

    def write_curve(self, task_names: list[str], curve: Curve | None) -> None:
        """The tests within tasks; None: there were none."""
        if curve is None:
            (self.directory / CURVES).unlink(missing_ok=True)
        else:
            write_atomic(self.directory / CURVES, curves_text(task_names, curve))

    def write_numbers(
        self,
        task_names: list[str],
        matrix: np.ndarray,
        values: dict[str, Any],
        diagnostics: dict[str, Any],
    ) -> None:
        """The results that change when a task is forgotten."""
        write_atomic(self.directory / "accuracy.csv", accuracy_text(task_names, matrix))
        write_json(self.directory / "metrics.json", values)
        write_json(self.directory / "diagnostics.json", diagnostics)


def read_accuracy(directory: Path) -> tuple[list[str], np.ndarray]:
    """Task names and accuracy matrix (S+1, T) of a run, R² where its targets are numbers;
    :class:`Damaged` if they are none.

    NaN is what was not measured, an empty cell; the last row is measured whole.
    """
    text = read_text(directory / "accuracy.csv")
    try:
        names, *rows = csv.reader(io.StringIO(text))
        matrix = np.array([[_number(cell) for cell in row] for row in rows], dtype=np.float64)
    except (ValueError, csv.Error) as error:
        raise Damaged(f"accuracy.csv: {clean(error)}") from None
    check_accuracy(names, matrix, read_measure(directory))
    return [from_table_cell(name) for name in names], matrix


def _number(cell: str) -> float:
    """Infinity, which is no accuracy and no R², for what is no number."""
    value = float(cell or "nan")
    return math.inf if cell and math.isnan(value) else value


def check_accuracy(names: Sequence[str], matrix: np.ndarray, measure: Measure = ACCURACY) -> None:
    """:class:`Damaged` unless it is a matrix (S+1, T) of this ``measure``, of as many tasks as
    names."""
    tasks = len(names)
    if tasks == 0 or matrix.ndim != 2 or matrix.shape[1] != tasks or len(matrix) <= tasks:
        raise Damaged(f"accuracy.csv: shape {matrix.shape} for {tasks} tasks")
    measured = measure.among(matrix)
    if not (measured[-1].all() and (measured | np.isnan(matrix)).all()):
        raise Damaged(f"accuracy.csv: values that are no {measure.plural}")


def accuracy_text(names: Sequence[str], matrix: np.ndarray) -> str:
    """The content of ``accuracy.csv``."""
    return _csv([table_cell(name) for name in names], matrix.tolist())


def read_learned(directory: Path, matrix: np.ndarray) -> tuple[int, ...]:
    """The task (its column, from 0) that was learned before each row of a matrix (S+1, T) but the
    first. Where tasks return, ``timings.csv`` says it; :class:`Damaged` if it does not."""
    rows, tasks = matrix.shape
    if rows == tasks + 1:
        return tuple(range(tasks))
    try:
        table = csv.DictReader(io.StringIO(read_text(directory / "timings.csv")))
        learned = tuple(int(row["task"]) - 1 for row in table)[1:]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise Damaged(f"timings.csv: {clean(error)}") from None
    check_learned(learned, matrix, "timings.csv")
    return learned


def check_learned(learned: Sequence[int], matrix: np.ndarray, where: str) -> None:
    """:class:`Damaged` unless these are the stays that a matrix (S+1, T) is of."""
    rows, tasks = matrix.shape
    if len(learned) != rows - 1 or set(learned) != set(range(tasks)):
        raise Damaged(f"{where}: does not say which of {tasks} tasks each of {rows} rows is of")


def known_rows(matrix: np.ndarray) -> list[list[float | None]]:
    """A matrix as JSON has it; None for what was not measured."""
    return [[None if math.isnan(value) else value for value in row] for row in matrix.tolist()]


def read_results(directory: Path) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    """The same and the metrics, those of today whatever the file has; :class:`Damaged` too if the
    two files do not fit."""
    names, matrix = read_accuracy(directory)
    recorded = read_json(directory / "metrics.json")
    acc = recorded.get("acc")
    if not isinstance(acc, int | float) or not math.isclose(acc, matrix[-1].mean(), abs_tol=1e-9):
        raise Damaged("metrics.json: acc is not the mean of the last row of accuracy.csv")
    numbers = {k: v for k, v in recorded.items() if v is None or isinstance(v, int | float)}
    learned = read_learned(directory, matrix)
    curve = read_curve(directory, len(names), len(learned), read_measure(directory))
    return names, matrix, metrics.compute(Measured(matrix, numbers, learned=learned, curve=curve))


def _csv(header: list[str], rows: list[list[float]]) -> str:
    """Numbers with all the digits that give them back exactly; an empty cell for NaN."""
    table = io.StringIO()
    cells = [["" if math.isnan(value) else value for value in row] for row in rows]
    csv.writer(table, lineterminator="\n").writerows([header, *cells])
    return table.getvalue()
