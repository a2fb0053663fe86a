"""A sweep: what became of each run, wherever it was carried out, and what is said at the end."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from cl_bench.config.compose import hush_hydra
from cl_bench.errors import RunError, UsageError, os_sentence
from cl_bench.files.untrusted import LONGEST, clean, complain
from cl_bench.run.job import Outcome, this_process
from cl_bench.run.signals import silence_stdout
from cl_bench.sweep.display import Shown
from cl_bench.sweep.workers import CONCLUDED

# launcher -> (the module that makes it known to Hydra, the extra that brings it)
LAUNCHERS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "joblib"),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "submitit"),
    "submitit_slurm": ("hydra_plugins.hydra_submitit_launcher", "submitit"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "ray"),
}


def _home(path: Any) -> str:
    """For conf/config.yaml: a sweep's folder lies in ``outputs``, which may begin with ~."""
    try:
        return str(Path(str(path)).expanduser())
    except RuntimeError:  # no such user; the check of the runs' configs says so
        return str(path)


OmegaConf.register_new_resolver("home", _home, replace=True)


def check_launcher(arguments: list[str]) -> None:
    """A :class:`UsageError` that names the extra, if the launcher asked for is not installed."""
    for argument in arguments:
        key, _, name = argument.partition("=")
        if key == "hydra/launcher" and name in LAUNCHERS:
            module, extra = LAUNCHERS[name]
            try:
                installed = importlib.util.find_spec(module) is not None
            except ModuleNotFoundError:  # no plugin at all: the parent package is missing too
                installed = False
            if not installed:
                raise UsageError(
                    f"hydra/launcher={name} is not installed: pip install 'cl-bench[{extra}]'"
                )


NO_RUNS = "the sweep has no runs: one of its lists or ranges is empty"


def _words(config: DictConfig) -> list[str]:
    """The overrides as they were written, before options got their ``++``; what they interpolate is
    not looked up."""
    words: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    return [word.removeprefix("++") for word in words]


class Sweep(Callback):
    """Hydra tells it of every job's end, in the process that carried the job out.

    Launchers carry a copy to wherever the jobs run; outcomes from elsewhere come back as files
    in the sweep's folder. ``current`` is the sweep of this process.
    """

    current: ClassVar[Sweep | None] = None
    shown: ClassVar[Shown | None] = None  # of this process: no part of the copies
    silent: ClassVar[bool] = False  # nothing is shown: who asked looks at the outcomes

    def __init__(self) -> None:
        self.process = this_process()
        self.folder: Path | None = None
        self.launcher = ""
        self.asked: Path | None = None  # what says what it was asked for
        self.outcomes: dict[int, tuple[str, Outcome]] = {}  # of this process, by job number

    def __setstate__(self, values: dict[str, Any]) -> None:
        """A copy has arrived where the jobs run."""
        self.__dict__.update(values)
        hush_hydra()

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        self.folder = Path(config.hydra.sweep.dir).absolute()
        self.launcher = config.hydra.runtime.choices["hydra/launcher"]
        words = _words(config)
        self.asked = _write_asked(self.folder.parent, words)
        Sweep.current = self
        if not Sweep.silent:
            Sweep.shown = Shown(words, self.folder)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if self.folder is None or job_return.status != JobStatus.COMPLETED:
            return
        number, outcome = config.hydra.job.num, job_return.return_value
        overrides = " ".join(_words(config))
        if this_process() == self.process:
            self.outcomes[number] = overrides, _told(number, overrides, outcome)
            return
        from cl_bench.files.atomic import write_json

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / f"{number}.json", [overrides, asdict(outcome)])
        except OSError as error:
            # the one way to be heard: Hydra raises it again in the process of the sweep
            job_return.status, job_return.return_value = JobStatus.FAILED, error

    @classmethod
    def close(cls) -> None:
        """However the sweep ends, nothing more is shown of it."""
        if cls.shown is not None:
            cls.shown.close()

    def ordered(self) -> list[tuple[str, Outcome]]:
        """All outcomes by job number, those from elsewhere with them, which are told by this."""
        outcomes = dict(self.outcomes)
        for path in self.folder.glob("[0-9]*.json"):
            overrides, values = json.loads(path.read_text())
            outcomes[int(path.stem)] = overrides, Outcome(**values)
            path.unlink()
        for number in sorted(outcomes.keys() - self.outcomes.keys()):
            overrides, outcome = outcomes[number]
            outcomes[number] = overrides, _told(number, overrides, outcome)
        return [outcomes[number] for number in sorted(outcomes)]

    def conclude(self, stopped: BaseException | None = None, table: bool = True) -> int:
        """Show the runs that were carried out elsewhere, list the failures; the exit code."""
        ordered = self.ordered()
        Sweep.shown.close()
        if table:
            Sweep.shown.print_table()
        failures = [(overrides, outcome) for overrides, outcome in ordered if outcome.failed]
        if failures:
            print(f"cl-bench: {len(failures)} of {len(ordered)} runs failed:", file=sys.stderr)
        for overrides, outcome in failures:
            where = Path(outcome.directory).name or overrides
            print(f"  {where}: {outcome.state}: {clean(outcome.message, LONGEST)}", file=sys.stderr)
        if stopped is not None:
            print(f"cl-bench: {self.told_of(stopped, len(ordered))}", file=sys.stderr)
        if failures or stopped is not None:
            # when no run could begin it is the command that is wrong
            wrong = stopped is None and all(outcome.code == 2 for _, outcome in ordered)
            self.set_aside(stopped is None)
            return 2 if wrong else 1
        self.clear_away()
        if not ordered:
            raise UsageError(NO_RUNS)
        return 0

    @staticmethod
    def told_of(stopped: BaseException, runs: int) -> str:
        """What has stopped the sweep, in a sentence. A mistake in the command stays one; what a
        launcher met, a lost worker say, may not come again."""
        reason = " ".join(str(stopped).split())[:500]
        if isinstance(stopped, UsageError):
            return f"the sweep stopped after {runs} runs: {reason}"
        if isinstance(stopped, OSError) and stopped.filename:
            return f"the launcher stopped after {runs} runs: {os_sentence(stopped)}"
        # what a setting makes of itself comes again
        again = not isinstance(stopped, ArithmeticError | AssertionError | TypeError | ValueError)
        way_out = "the same command goes on" if again else "correct hydra.launcher's settings"
        told = f"{type(stopped).__name__}: {reason}"
        return f"the launcher stopped after {runs} runs ({told}); {way_out}"

    def set_aside(self, all_told: bool) -> None:
        """What is left of a sweep with failures stays until a later one succeeds.

        But if not all jobs have told their end, a cluster may still have some that need it.
        """
        if all_told or self.launcher in ("basic", "joblib"):
            with suppress(OSError):
                (self.folder / CONCLUDED).touch()

    def clear_away(self) -> None:
        """What is left of a good sweep is its runs."""
        if self.asked is not None:
            self.asked.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        for old in self.folder.parent.glob(f"*/{CONCLUDED}"):
            shutil.rmtree(old.parent, ignore_errors=True)  # an earlier one that had failures
        with suppress(OSError):  # another sweep may be under way
            self.folder.parent.rmdir()


def _told(number: int, overrides: str, outcome: Outcome) -> Outcome:
    """The outcome as the display takes it, where there is one."""
    return outcome if Sweep.shown is None else Sweep.shown.tell(number, overrides, outcome)


def _write_asked(folder: Path, overrides: list[str]) -> Path | None:
    """Write what the sweep is asked for; None where that cannot be counted or written."""
    from cl_bench.config.combinations import combinations
    from cl_bench.results.asked import asked_file, write_asked

    path = asked_file(folder, overrides)
    try:
        write_asked(path, combinations(overrides, sweep=True))
    except (UsageError, OSError):  # a search draws its values; a run will tell of the disk
        return None
    return path


def show(outcome: Outcome) -> Outcome:
    """The tables of a finished run, or the sentence of a failed one.

    Returns the outcome, which is a failure too if there are no tables that can be read.
    """
    if outcome.state == "finished":
        from cl_bench.results.summary import print_run

        try:
            print_run(Path(outcome.directory), outcome.quiet)
            sys.stdout.flush()
        except BrokenPipeError:
            silence_stdout()
        except RunError as error:
            outcome = replace(outcome, state="failed", message=str(error), code=1)
    if outcome.failed:
        complain(outcome.message)
    return outcome
