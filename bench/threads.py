"""Is the default number of threads ever the slow choice? Every method, idle and beside others.

    python bench/threads.py                       # every method, here and beside two busy processes
    python bench/threads.py gem er --tasks 20     # some, with any further overrides

The first batches of each task are learned twice, in turn: with the default and with
``device.threads=1``; then both test all tasks. Milliseconds by the clock of a step and of a row of
the accuracy matrix, medians over the tasks, and the default's as a multiple of the better of the
two: 1 is best. Beside busy processes a few steps are slow by chance, hence the medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import islice, zip_longest

from against import busy  # first: it names the checkout

from cl_bench.config.choices import choices
from cl_bench.config.compose import config_of
from cl_bench.errors import UsageError
from cl_bench.run import learn
from cl_bench.run.build import Run, prepare
from cl_bench.run.evaluate import measure

BATCHES = 30  # per task
DEFAULTS = ("dataset=mnist_permutations", "device=cpu")
SETTINGS = {"default": [], "one": ["device.threads=1"]}


def taken(work: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    work(*arguments)
    return 1000 * (time.perf_counter() - began)


def times(method: str, overrides: list[str], tasks: int) -> dict[str, tuple[float, float]]:
    """Milliseconds of a step and of a row of tests with each of the SETTINGS."""
    runs = {
        name: prepare(config_of([*DEFAULTS, f"method={method}", *overrides, *more]))
        for name, more in SETTINGS.items()
    }
    steps: dict[str, list[float]] = {name: [] for name in runs}
    tests: dict[str, list[float]] = {name: [] for name in runs}
    rows = {name: measure(run, 0) for name, run in runs.items()}
    for number in range(tasks):
        batches = {name: _begun(run, number) for name, run in runs.items()}
        for together in zip_longest(*batches.values()):
            for (name, run), (x, y) in zip(runs.items(), together, strict=True):
                task = run.stream.stays[number]
                steps[name].append(taken(run.method.observe, x, y, task))
        for name, run in runs.items():
            learn.end_task(run, run.stream.stays[number])
            tests[name].append(taken(measure, run, number + 1, rows[name]))
    median = statistics.median
    return {name: (median(steps[name][5:]), median(tests[name])) for name in runs}


def _begun(run: Run, number: int) -> islice:
    task = run.stream.stays[number]
    run.scenario.begin_task(task)
    run.method.train(True)
    learn.begin_task(run, task)
    return islice(run.stream.train_batches(task), BATCHES)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="METHOD | KEY=VALUE")
    parser.add_argument("--tasks", type=int, default=6)
    options = parser.parse_args(arguments)
    overrides = [word for word in options.words if "=" in word]
    methods = [word for word in options.words if "=" not in word] or [*choices("method")]
    print(
        f"{'':<14}{'':<6}{'step ms':>9}{'one':>9}{'ratio':>7}{'tests ms':>11}{'one':>9}{'ratio':>7}"
    )
    for method in methods:
        for name, others in (("idle", 0), ("busy", 2)):
            try:
                with busy(others):
                    found = times(method, overrides, options.tasks)
            except UsageError as error:
                print(f"{method:<14}not here: {error}")
                break
            cells = ""
            for default, one, width in zip(found["default"], found["one"], (9, 11), strict=True):
                ratio = default / min(default, one)
                cells += f"{default:{width}.2f}{one:9.2f}{ratio:7.2f}"
            print(f"{method:<14}{name:<6}{cells}", flush=True)


if __name__ == "__main__":
    main()
