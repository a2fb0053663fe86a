"""``cl-bench forget``: a finished run drops what belongs to one task; all else stays as it is.

Everything that the directory says about the task goes with it: its parameters, its row and column
of the accuracy matrix, and checkpoints, which hold its parameters too. The other tasks' predictions
are the same to the bit, so their accuracies are kept and the metrics are made from these anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.cli.parser import Parser
from cl_bench.errors import RunError, UsageError
from cl_bench.files.untrusted import Damaged, read_json
from cl_bench.results.forgotten import Forgotten, read_forgotten
from cl_bench.run.load import check_finished, load

if TYPE_CHECKING:
    from cl_bench.results.record import RunRecord
    from cl_bench.run.build import Run


def parser() -> argparse.ArgumentParser:
    found = Parser(
        prog="cl-bench forget",
        description="Drop what a finished run keeps for one task, in its model and in its tables. "
        "Predictions for all other tasks stay as they are, bit for bit. Broken off, the same "
        "command completes it.",
        allow_abbrev=False,
    )
    found.add_argument("run", type=Path, metavar="RUN", help="directory of a finished run")
    found.add_argument(
        "task", metavar="task=N", help="position in the stream, from 1, or the task's name"
    )
    return found


def main(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    key, equals, word = options.task.partition("=")
    if key != "task" or not equals:
        raise UsageError(f"forget: write task=N instead of {options.task}")
    print(forget(options.run, word))
    from cl_bench.results.summary import print_run

    print_run(options.run, quiet=False)


def forget(directory: Path, word: str) -> str:
    """Forget the task that ``word`` names, in every file of the run; returns what it changed."""
    check_finished(directory)
    from cl_bench.results.record import RunRecord

    record = RunRecord(directory)
    with record.writing():
        try:
            known = read_forgotten(directory)
        except Damaged as error:
            raise RunError(f"{directory}: {error}") from None
        run = load(directory)
        _check_method(run)
        names = [task.name for task in run.stream.tasks]
        number = _number(word, names)
        told = f"task {number} ({names[number - 1]})"
        if known.complete and number in known.tasks:
            raise UsageError(f"{told} of {directory} was forgotten already")
        before = _size(run, directory)
        if not known.complete:
            _carry_through(run, record, known)
        if number not in known.tasks:
            known = Forgotten(len(names), known.tasks, known.times)
            if len(known.tasks) + 1 == len(names):
                raise UsageError(f"{told} is the only task left; remove {directory} instead")
            known = known.plus(number, names[number - 1])
            known.write(directory)
            _carry_through(run, record, known)
        return f"forgot {told}: {before} before, {_size(run, directory)} after"


def _carry_through(run: Run, record: RunRecord, known: Forgotten) -> None:
    """Bring every file in line with ``known``, whichever of them were before."""
    import numpy as np

    from cl_bench import metrics
    from cl_bench.files.state import write_state
    from cl_bench.metrics.base import Measured
    from cl_bench.results.curves import read_curves, without
    from cl_bench.results.measure import read_measure
    from cl_bench.results.record import read_accuracy
    from cl_bench.run import checkpoint
    from cl_bench.run.execute import MODEL, write_summary

    directory = record.directory
    for number in known.tasks:
        run.method.forget(number - 1)
    write_state(directory / MODEL, run.method.state_dict(), {})
    for path in directory.glob(f"{checkpoint.FILE}*"):
        path.unlink()
    try:  # broken off in between, one of them may be about the forgotten task still
        names, matrix = read_accuracy(directory)
        values = read_json(directory / "metrics.json")
        curves = read_curves(directory, read_measure(directory))
    except Damaged as error:
        raise RunError(f"{directory}: {error}; run it again with force=true") from None
    curve = None
    if curves is not None:
        left = _left(known, curves[0])
        curve = without(curves[1], left)
        record.write_curve([curves[0][i] for i in left], curve)
    left = _left(known, names)
    now = matrix[-1, left]
    matrix = matrix[[0, *(i + 1 for i in left)]][:, left]
    # the last row is whole: what was not measured when its task was learned is as it is now
    matrix[-1] = np.where(np.isnan(matrix[-1]), now, matrix[-1])
    counted = {**values, **run.method.metrics(), "parameters": run.method.parameters}
    values = metrics.compute(Measured(matrix, counted, curve=curve))
    record.write_numbers([names[i] for i in left], matrix, values, run.method.diagnostics())
    (directory / "accuracy.png").unlink(missing_ok=True)
    write_summary(directory, run.cfg)
    known.completed().write(directory)


def _left(known: Forgotten, names: list[str]) -> list[int]:
    """Columns, of a table with these tasks, of those that are not forgotten."""
    return [i for i, n in enumerate(known.numbers(len(names))) if n not in known.tasks]


def _number(word: str, names: list[str]) -> int:
    """Position in the stream, from 1, of the task that ``word`` means."""
    if word.isdecimal() and 1 <= int(word) <= len(names):
        return int(word)
    if names.count(word) == 1:
        return names.index(word) + 1
    from cl_bench.config.schema import similar

    raise UsageError(
        f"task={word}: the run has the tasks 1 to {len(names)}, named {names[0]} to "
        f"{names[-1]}{similar(word, names)}"
    )


def _check_method(run: Run) -> None:
    if _can_forget(type(run.method)):
        return
    raise UsageError(
        f"method={run.cfg.method['name']} cannot forget a task: what it learned of one is mixed "
        f"with the others; methods that can: {', '.join(sorted(_forgetful()))}"
    )


def _can_forget(cls: Any) -> bool:
    from cl_bench.methods.base import Method

    return cls.forget is not Method.forget


def _forgetful() -> list[str]:
    """The choices of ``method`` that can forget."""
    from cl_bench.config import registry
    from cl_bench.config.choices import choices
    from cl_bench.config.compose import compose
    from cl_bench.methods.base import Method

    found = []
    for choice in choices("method"):
        section = compose([f"method={choice}"]).method
        file = section.get("implementation") or section.name
        if _can_forget(registry.find("method", file, Method)):
            found.append(choice)
    return found


def _size(run: Run, directory: Path) -> str:
    """Parameters that the method keeps and the bytes of its model's file."""
    from cl_bench.run.execute import MODEL

    size = (directory / MODEL).stat().st_size
    return f"{run.method.parameters:,} parameters in {size / 1e6:.2f} MB"
