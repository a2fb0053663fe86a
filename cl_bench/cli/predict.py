"""``cl-bench predict``: the classes that a finished run's model gives to new inputs."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.cli.parser import Parser
from cl_bench.errors import RunError, UsageError
from cl_bench.files.atomic import write_atomic
from cl_bench.files.untrusted import Damaged
from cl_bench.results.forgotten import read_forgotten
from cl_bench.run.load import load, predict

if TYPE_CHECKING:
    import numpy as np


def parser() -> argparse.ArgumentParser:
    found = Parser(
        prog="cl-bench predict",
        description="Class ids for the images x of a .npz file, uint8 (n, ...) or floats in "
        "[0, 1], as the datasets have them: the task's own transform is applied. With labels y "
        "the accuracy is told.",
        allow_abbrev=False,
    )
    found.add_argument("run", type=Path, metavar="RUN", help="directory of a finished run")
    found.add_argument("input", type=Path, metavar="INPUT.npz")
    found.add_argument("--task", type=int, metavar="N", help="task of the inputs, from 1; the last")
    found.add_argument("--out", type=Path, default=Path("predictions.npz"), metavar="FILE")
    return found


def main(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    x, y = read_input(options.input)
    run = load(options.run)
    task = chosen_task(options.run, options.task, len(run.stream.tasks))
    classes = predict(run, x, task)
    content = io.BytesIO()
    import numpy as np

    np.savez(content, y=classes, task=task)
    write_atomic(options.out, content.getvalue())
    if y is not None:
        print(f"accuracy {float((classes == y).mean()):.4f} on {len(y)} samples of task {task}")
    print(options.out)


def chosen_task(directory: Path, task: int | None, tasks: int) -> int:
    """The number of the task to predict for: the one asked for, else the last that is left."""
    try:
        gone = read_forgotten(directory).tasks
    except Damaged as error:
        raise RunError(f"{directory}: {error}") from None
    left = [number for number in range(1, tasks + 1) if number not in gone]
    if task in gone:
        raise UsageError(
            f"--task {task}: was forgotten; the run has left {', '.join(map(str, left))}"
        )
    return left[-1] if task is None else task


def read_input(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """x as uint8 and, if there, y as int64, of a file that is read without pickle."""
    import numpy as np

    from cl_bench.datasets.npz import read_arrays

    if not path.exists():
        raise UsageError(f"{path}: no such file")
    arrays = read_arrays(path, ("x", "y"))
    if "x" not in arrays:
        raise UsageError(f"{path}: has no array x")
    x, y = arrays["x"], arrays.get("y")
    if x.ndim < 2 or len(x) == 0:
        raise UsageError(f"{path}: x must be images (n, ...), it has the shape {x.shape}")
    if y is not None and (y.shape != (len(x),) or y.dtype.kind not in "iu"):
        raise UsageError(f"{path}: y must be one whole number for each of the {len(x)} images")
    if x.dtype.kind == "f":
        if not ((x >= 0) & (x <= 1)).all():
            raise UsageError(f"{path}: x has floats outside of [0, 1]")
        x = np.rint(x * 255).astype(np.uint8)
    if x.dtype != np.uint8:
        raise UsageError(f"{path}: x is {x.dtype}; it must be uint8 or floats in [0, 1]")
    return x, None if y is None else y.astype(np.int64)
