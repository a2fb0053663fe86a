"""Milliseconds per training step as tasks come in: does a method slow down with their number?

    python bench/step_time.py                            # every method that can run on the dataset
    python bench/step_time.py ewc gem dataset.epochs=2   # some, with any further overrides

Of every task only the first batches are learned, which fill GEM's memory share of 256 samples;
the median over the timed ones is printed, and the last task as a multiple of the second.
"""

from __future__ import annotations

import statistics
import sys
import time
from itertools import islice

import torch

from cl_bench.config.choices import choices
from cl_bench.config.compose import config_of
from cl_bench.errors import UsageError
from cl_bench.run.build import Run, prepare

WARM, TIMED = 5, 30  # batches per task
SHOWN = (1, 2, 5, 10, 20)  # tasks
DEFAULTS = ("dataset=mnist_permutations", "device=cpu", "device.threads=1")


def prepared(method: str, overrides: list[str]) -> Run:
    return prepare(config_of([*DEFAULTS, f"method={method}", *overrides]))


def step_times(run: Run) -> list[float]:
    """Median milliseconds of a step in each task."""
    # with one thread the processor's own count is right even beside other programs
    alone = run.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    medians = []
    for task in run.stream.tasks:
        run.scenario.begin_task(task)
        run.method.train(True)
        run.method.begin_task(task)
        taken = []
        for x, y in islice(run.stream.train_batches(task), WARM + TIMED):
            began = clock()
            run.method.observe(x, y, task)
            if run.device.type == "cuda":
                torch.cuda.synchronize()
            taken.append(1000 * (clock() - began))
        run.method.end_task(task)
        medians.append(statistics.median(taken[WARM:]))
    return medians


def main(arguments: list[str]) -> None:
    overrides = [argument for argument in arguments if "=" in argument]
    methods = [argument for argument in arguments if "=" not in argument] or [*choices("method")]
    print(f"{'ms per step at task':<20}" + "".join(f"{k:>8}" for k in SHOWN) + "   last/second")
    for method in methods:
        try:
            times = step_times(prepared(method, overrides))
        except UsageError as error:
            print(f"{method:<20}  not here: {error}")
            continue
        cells = [f"{times[k - 1]:8.3f}" if k <= len(times) else f"{'':8}" for k in SHOWN]
        growth = f"{times[-1] / times[1]:10.2f}" if len(times) > 2 else ""
        print(f"{method:<20}" + "".join(cells) + growth, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
