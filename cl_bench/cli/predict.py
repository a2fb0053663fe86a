"""``cl-bench predict``: what a finished run's model answers to new inputs, classes or numbers."""

from __future__ import annotations

import argparse
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.cli.parser import Parser
from cl_bench.config.target import measure_of
from cl_bench.errors import RunError, UsageError
from cl_bench.files.atomic import write_atomic
from cl_bench.files.untrusted import Damaged, clean
from cl_bench.results.forgotten import read_forgotten
from cl_bench.run.load import load, predict

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np

    from cl_bench.run.build import Run


def parser() -> argparse.ArgumentParser:
    found = Parser(
        prog="cl-bench predict",
        description="Labels for the inputs x (n, ...) of a .npz file, as the run's dataset has "
        "them: uint8, floats in [0, 1] for pictures, or floats; the task's own transform is "
        "applied. t (n,) says of which task each input is, as t_train of own data does: whole "
        "numbers from 0, or names. With labels y (n,) the accuracy is told. Where the targets are "
        "numbers, these are given (n, C), and with y R² is told.",
        allow_abbrev=False,
    )
    found.add_argument("run", type=Path, metavar="RUN", help="directory of a finished run")
    found.add_argument("input", type=Path, metavar="INPUT.npz")
    found.add_argument(
        "--task", type=int, metavar="N",
        help="position of the task of all inputs in the stream, from 1; without it the file's t, "
        "else the last task",
    )  # fmt: skip
    found.add_argument("--out", type=Path, default=Path("predictions.npz"), metavar="FILE")
    return found


def main(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    if options.out.resolve() == options.input.resolve():
        raise UsageError(f"--out {options.out}: is the input itself; choose another file")
    arrays = read_input(options.input)
    import numpy as np

    run = load(options.run)
    gone = forgotten(options.run)
    if "t" in arrays and options.task is not None:
        raise UsageError(f"--task {options.task}: {options.input} says in t which task it is of")
    if "t" in arrays:
        positions = given_tasks(run, arrays["t"], gone)
    else:
        positions = np.full(len(arrays["x"]), chosen_task(run, options.task, gone) - 1)
    names = run.stream.data.class_names
    labels = None if "y" not in arrays else known_labels(run, arrays["y"])
    found = predict(run, arrays["x"], positions)
    columns: dict[str, Any] = {
        "y": found,
        "task": positions + 1 if "t" in arrays else positions[0] + 1,
    }
    if names:
        columns["name"] = np.array([*names, ""])[found]  # -1 is none of them
    content = io.BytesIO()
    np.savez(content, **columns)
    write_atomic(options.out, content.getvalue())
    if labels is not None:
        tell_score(run, positions, found, labels)
    print(options.out)


def tell_score(run: Run, positions: np.ndarray, found: np.ndarray, labels: np.ndarray) -> None:
    """The accuracy, or R²: one line for each task, and one for all if there are several."""
    import torch

    from cl_bench.metrics.base import MISSING

    name = measure_of(run.cfg.dataset).name

    def told(mine: np.ndarray) -> str:
        if not run.scenario.numbers:
            value = float((found[mine] == labels[mine]).mean())
        else:
            given, wanted = (torch.from_numpy(part[mine]) for part in (found, labels))
            tally = run.scenario.tally(given, wanted, 0).tolist()
            value = run.scenario.score(tally, wanted)
        return f"{name} {value:.4f}" if math.isfinite(value) else f"{name} {MISSING}"

    several = sorted(set(positions.tolist()))
    for position in several:
        mine = positions == position
        task = f"task {position + 1}"
        if len(several) > 1:
            task += f" ({run.stream.tasks[position].name})"
        print(f"{told(mine)} on {mine.sum()} samples of {task}")
    if len(several) > 1:
        print(f"{told(positions >= 0)} on all {len(labels)} samples")


def forgotten(directory: Path) -> Collection[int]:
    """Numbers of the tasks that the run has forgotten since, from 1."""
    try:
        return read_forgotten(directory).tasks
    except Damaged as error:
        raise RunError(f"{directory}: {error}") from None


def chosen_task(run: Run, task: int | None, gone: Collection[int]) -> int:
    """The number of the task to predict for: the one asked for, else the last that is left."""
    tasks = len(run.stream.tasks)
    left = [number for number in range(1, tasks + 1) if number not in gone]
    if task in gone:
        raise UsageError(
            f"--task {task}: was forgotten; the run has left {', '.join(map(str, left))}"
        )
    if task is None:
        return left[-1]
    if not 1 <= task <= tasks:
        raise UsageError(f"--task {task}: the run has the tasks 1 to {tasks}")
    return task


def given_tasks(run: Run, given: np.ndarray, gone: Collection[int]) -> np.ndarray:
    """Positions (n,) in the stream, from 0, of the tasks that ``given`` (n,) numbers or names."""
    import numpy as np

    known: dict[Any, int]
    if given.dtype.kind in "US":
        known = {task.name: task.index for task in run.stream.tasks}
    else:
        known = {task.identity: task.index for task in run.stream.tasks}
    found = []
    for value in given.tolist():
        name = value.decode(errors="replace") if isinstance(value, bytes) else value
        if name not in known:
            there = ", ".join(map(str, list(known)[:20]))
            raise UsageError(f"t has {clean(name, 80)}, which is no task of the run ({there})")
        if known[name] + 1 in gone:
            raise UsageError(f"t has {clean(name, 80)}, which was forgotten")
        found.append(known[name])
    return np.array(found)


def known_labels(run: Run, y: np.ndarray) -> np.ndarray:
    """y as the dataset's labels int64 (n,); it may be given as their names. Of a run whose targets
    are numbers float32 (n, C)."""
    import numpy as np

    data = run.stream.data
    if run.scenario.numbers:
        width = run.stream.classes
        if y.dtype.kind not in "iuf" or y.size != width * len(y):
            raise UsageError(
                f"y is {y.dtype} of shape {y.shape}; the run's targets are {width} "
                f"number{'s' * (width > 1)} for each input"
            )
        return y.astype(np.float32).reshape(len(y), width)
    if y.dtype.kind == "f":
        raise UsageError(f"y is {y.dtype}; the run's targets are classes, whole numbers or text")
    if y.dtype.kind in "US":
        numbers = {name: number for number, name in enumerate(data.class_names)}
        texts = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in y.tolist()]
        if strange := [name for name in texts if name not in numbers]:
            known = ", ".join(data.class_names[:20]) or f"the numbers 0 to {data.classes - 1}"
            raise UsageError(
                f"y has the label {clean(strange[0], 80)}, the run's classes are {known}"
            )
        return np.array([numbers[name] for name in texts])
    if y.min() < 0 or y.max() >= data.classes:
        wrong = y.min() if y.min() < 0 else y.max()
        raise UsageError(f"y has the label {wrong}, the run's classes are 0 to {data.classes - 1}")
    return y.astype(np.int64)


def read_input(path: Path) -> dict[str, np.ndarray]:
    """x and, if there, y and t, of a file that is read without pickle."""
    import numpy as np

    from cl_bench.datasets.npz import read_arrays

    if not path.exists():
        raise UsageError(f"{path}: no such file; name one that holds x")
    arrays = read_arrays(path, ("x", "y", "t"))
    if "x" not in arrays:
        raise UsageError(f"{path}: has no array x")
    x = arrays["x"]
    if x.ndim < 2 or x.size == 0:
        raise UsageError(f"{path}: x must be inputs (n, ...), it has the shape {x.shape}")
    for key, what in (("y", "label"), ("t", "task")):
        values = arrays.get(key)
        if key == "y" and values is not None and values.dtype.kind == "f":
            if values.ndim > 2 or len(values) != len(x) or not np.isfinite(values).all():
                raise UsageError(
                    f"{path}: y must be finite numbers for each of the {len(x)} inputs"
                )
            continue
        if values is not None and (values.shape != (len(x),) or values.dtype.kind not in "iuUS"):
            raise UsageError(
                f"{path}: {key} must be one {what} for each of the {len(x)} inputs, a whole "
                "number or text"
            )
    return arrays
