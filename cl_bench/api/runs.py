"""``cl_bench.run``, ``sweep`` and ``tune``: what a command line does, without its display.

In a notebook as anywhere: no bar, no tables on stdout, no handler of a signal that stays, no change
of the working directory. Warnings of a run go to stderr.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.api.objects import named
from cl_bench.api.result import Result
from cl_bench.config.words import swept_words, words_of
from cl_bench.errors import RunError, os_sentence

if TYPE_CHECKING:
    import pandas as pd

    from cl_bench.report.collect import RecordedRun

# a run has the process's random numbers and threads of PyTorch for itself
_one_at_a_time = threading.RLock()


def run(*words: str, **options: Any) -> Result:
    """Carry out one run, or read it if it is finished already.

    ``options`` are what the command line takes: ``run(method="gem", seed=3,
    **{"memory.size": 200})`` is ``cl-bench method=gem seed=3 memory.size=200``; ``words`` are such
    words as they stand there (``"+paper=gem2017/mnist_permutations_gem"``).

    A class can stand where a name can: of a method, a model (any ``nn.Module``), a memory, a
    tracker or, as ``dataset.stream``, a stream. ``dataset=dict(x=..., y=...)`` takes arrays, with
    ``task`` of each sample if tasks are given, and ``x_test``, ``y_test``, ``task_test``, without
    which every fifth sample is for testing.

    Runs of several threads wait for each other; :func:`sweep` does many at a time.

    Raises :class:`~cl_bench.errors.UsageError` for what the command line would refuse,
    :class:`~cl_bench.errors.RunError` for what makes a run fail and
    :class:`~cl_bench.errors.Diverged` if its parameters are no longer finite.
    """
    from cl_bench.config.compose import config_of
    from cl_bench.run.job import run_unless_finished, told_on_stderr

    with _one_at_a_time, _os_errors_told(), _pytorch_as_before():
        cfg = config_of([*words, *words_of(named(options))])
        directory = Path(cfg.outputs).expanduser() / cfg.directory_name()
        with told_on_stderr(logging.WARNING):
            outcome = run_unless_finished(cfg, directory)
    return Result(outcome.directory)


def sweep(*words: str, jobs: int | None = None, **options: Any) -> pd.DataFrame:
    """Carry out every combination of options whose value is a list; a row for each run.

    ``sweep(method=["single", "gem"], seed=range(5))`` makes ten runs, as many at a time as there
    are cores, or ``jobs`` at a time (1: in this process, and without the extra `joblib`). An option
    that is a list itself is written as a list of one: ``{"model.hidden": [[50, 50]]}``. Another
    launcher is named as on the command line, ``**{"hydra/launcher": "submitit_slurm"}``.

    The table is that of :func:`~cl_bench.api.tables.load`, in the order of the combinations. A run
    that fails tells why in its column ``problem``, and a warning says how many did. What is wrong
    with all of them is a :class:`~cl_bench.errors.UsageError`.
    """
    from cl_bench.report.frame import frame

    with _one_at_a_time, _os_errors_told(), _pytorch_as_before():
        return frame(_carried_out(_many(words, options, jobs), stacklevel=3))


def tune(
    *words: str,
    report: str | Sequence[str] = (),
    metric: str = "acc",
    seeds: int = 3,
    report_seeds: int = 5,
    trials: int | None = None,
    jobs: int | None = None,
    **options: Any,
) -> pd.DataFrame:
    """What ``cl-bench tune`` does: choose among the options whose value is a list by their runs on
    one stream, and run the best on ``report``; a row for each of these runs, its column ``tuned``
    says how it was chosen.

    ``tune(method="er", dataset="digits_permutations", report="digits_rotations", **{"method.lr":
    [0.01, 0.1]})``. Of several methods each is tuned by itself. With ``trials`` Optuna proposes as
    many settings. Launchers and ``jobs`` are as in :func:`sweep`.
    """
    from cl_bench.report.collect import read_run
    from cl_bench.report.frame import frame
    from cl_bench.sweep.tune import Asked, tunings

    told = [report] if isinstance(report, str) else list(report)
    asked = Asked(_many(words, options, jobs), told, metric, seeds, report_seeds, trials)
    rows = []
    with _one_at_a_time, _os_errors_told(), _pytorch_as_before():
        for tuning in tunings(asked):
            choice = tuning.choose(_carried_out)
            for note in choice.notes:
                warnings.warn(note, stacklevel=2)
            _carried_out(tuning.report_words(choice.best.words))
            tuning.write(choice)
            rows += [read_run(directory) for directory in tuning.reported(choice)]
    return frame(rows)


def _many(words: Sequence[str], options: Mapping[str, Any], jobs: int | None) -> list[str]:
    """The words of many runs, as many side by side as there are cores unless it is told."""
    asked = [*words, *swept_words(named(options))]
    if not any(word.startswith("hydra/launcher=") for word in asked) and jobs != 1:
        asked += ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs or -1}"]
    if not any(word.startswith("quiet=") for word in asked):
        asked.append("quiet=true")
    return asked


def _carried_out(words: Sequence[str], stacklevel: int = 4) -> list[RecordedRun]:
    """The runs of a sweep; a warning says how many failed."""
    from cl_bench.config.overrides import read_line
    from cl_bench.report.collect import RecordedRun, read_run
    from cl_bench.sweep.launch import outcomes_of

    outcomes = [outcome for _, outcome in outcomes_of(read_line(["-m", *words]).overrides)]
    rows = [
        read_run(Path(outcome.directory))
        if outcome.directory
        else RecordedRun(Path(), outcome.state, outcome.message)
        for outcome in outcomes
    ]
    failed = [outcome for outcome in outcomes if outcome.failed]
    if failed:
        told = f"{len(failed)} of {len(outcomes)} runs failed, the first: {failed[0].message}"
        warnings.warn(told, stacklevel=stacklevel)
    return rows


@contextmanager
def _os_errors_told() -> Iterator[None]:
    """What the operating system refuses is told in the words of the command line."""

    try:
        yield
    except OSError as error:
        raise RunError(os_sentence(error)) from error


@contextmanager
def _pytorch_as_before() -> Iterator[None]:
    """A run sets threads and determinism for itself, not for the rest of the process."""
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
        torch.backends.cudnn.benchmark = benchmark
