"""Milliseconds of every part of a run as tasks come in: what slows down with their number?

    python bench/step_time.py                            # every method that can run on the dataset
    python bench/step_time.py ewc gem dataset.epochs=2   # some, with any further overrides

Of every task only the first batches are learned, which fill GEM's memory share of 256 samples. A
row for each part: ``step`` is the median over the timed batches, ``begin`` and ``end`` are what a
method does when a task begins and ends, ``tests`` is the row of the accuracy matrix that follows;
and the last task as a multiple of the second.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice

import torch

from cl_bench.config.choices import choices
from cl_bench.config.compose import config_of
from cl_bench.errors import UsageError
from cl_bench.run import learn
from cl_bench.run.build import Run, prepare
from cl_bench.run.evaluate import measure

WARM, TIMED = 5, 30  # batches per task
SHOWN = (1, 2, 5, 10, 20)  # tasks
DEFAULTS = ("dataset=mnist_permutations", "device=cpu", "device.threads=1")


def prepared(method: str, overrides: list[str]) -> Run:
    return prepare(config_of([*DEFAULTS, f"method={method}", *overrides]))


def part_times(run: Run) -> dict[str, list[float]]:
    """Milliseconds of each part in each task; tests where they are shown alone, else NaN."""
    # with one thread the processor's own count is right even beside other programs
    alone = run.device.type == "cpu" and run.workers.count == 1
    clock = time.process_time if alone else time.perf_counter
    found: dict[str, list[float]] = {"step": [], "begin": [], "end": [], "tests": []}
    row = measure(run, 0)

    def taken(work: Callable[..., object], *arguments: object) -> float:
        began = clock()
        work(*arguments)
        if run.device.type == "cuda":
            torch.cuda.synchronize()
        return 1000 * (clock() - began)

    last = len(run.stream.stays)
    for number, task in enumerate(run.stream.stays, start=1):
        run.scenario.begin_task(task)
        run.method.train(True)
        found["begin"].append(taken(learn.begin_task, run, task))
        batches = islice(run.stream.train_batches(task), WARM + TIMED)
        steps = [taken(run.method.observe, x, y, task) for x, y in batches]
        found["step"].append(statistics.median(steps[WARM:]))
        found["end"].append(taken(learn.end_task, run, task))
        shown = number in SHOWN or number == last
        found["tests"].append(taken(measure, run, number, row) if shown else math.nan)
    return found


def main(arguments: list[str]) -> None:
    overrides = [argument for argument in arguments if "=" in argument]
    methods = [argument for argument in arguments if "=" not in argument] or [*choices("method")]
    print(f"{'ms at task':<20}" + "".join(f"{k:>9}" for k in SHOWN) + "  last/second")
    for method in methods:
        try:
            parts = part_times(prepared(method, overrides))
        except UsageError as error:
            print(f"{method:<14}not here: {error}")
            continue
        for part, times in parts.items():
            cells = [f"{times[k - 1]:9.3f}" if k <= len(times) else f"{'':9}" for k in SHOWN]
            growth = f"{times[-1] / times[1]:9.2f}" if len(times) > 2 and times[1] else ""
            print(f"{method:<14}{part:<6}" + "".join(cells) + growth, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
