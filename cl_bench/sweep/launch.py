"""A sweep started: Hydra composes its jobs, a launcher carries them out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.config.choices import groups
from cl_bench.config.combinations import combinations
from cl_bench.config.compose import by_hydra, config_of, explain
from cl_bench.config.overrides import CommandLine
from cl_bench.errors import NoSuchOption, RunError, UsageError
from cl_bench.run.job import Home, Outcome, run_job
from cl_bench.run.signals import interrupts_kept
from cl_bench.sweep.outcomes import NO_RUNS, Sweep, check_launcher
from cl_bench.sweep.workers import at_work, interrupts_passed_on

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run_sweep(overrides: list[str], table: bool = True) -> int:
    """Carry out every combination and show what becomes of it, at the end in a ``table`` over
    seeds; the exit code."""
    sweep, stopped = _carried_out(overrides, silent=False)
    return sweep.conclude(stopped, table)


def outcomes_of(overrides: list[str]) -> list[tuple[str, Outcome]]:
    """Carry out every combination and show nothing: the overrides of each with its outcome.

    A :class:`UsageError` if no run could even begin, a :class:`RunError` if the launcher stopped.
    """
    sweep, stopped = _carried_out(overrides, silent=True)
    found = sweep.ordered()
    if stopped is not None:
        raise RunError(sweep.told_of(stopped, len(found))) from stopped
    if found and all(outcome.code == 2 for _, outcome in found):
        raise UsageError(found[0][1].message)
    if any(outcome.failed for _, outcome in found):
        sweep.set_aside(True)
    else:
        sweep.clear_away()
    if not found:
        raise UsageError(NO_RUNS)
    return found


def _carried_out(overrides: list[str], silent: bool) -> tuple[Sweep, Exception | None]:
    """The sweep that has ended, and the error that has stopped it, if one has."""
    check_launcher(overrides)
    _check_options(combinations(overrides, sweep=True))
    Sweep.current = Sweep.shown = None
    Sweep.silent = silent
    try:
        # an interrupt, before what follows takes it for a failure
        with interrupts_kept(), _for_workers(overrides):
            by_hydra([*overrides, "--multirun"], partial(_sweep_job, Home.here()))
    except KeyboardInterrupt:
        if Sweep.current is not None:
            Sweep.current.set_aside(False)
        raise
    except Exception as error:
        stopped = _why_stopped(error, overrides)
        if Sweep.current is None:
            raise stopped from None
        return Sweep.current, stopped
    finally:
        Sweep.close()
    return Sweep.current, None


def _check_options(jobs: list[list[str]]) -> None:
    """A :class:`UsageError` for an option that one of the choices does not have: it would cost
    every run with that choice. Other mistakes cost one run each, which says so itself.
    """
    from cl_bench.run.build import choose

    known = groups()
    first = {
        tuple(word for word in words if word.partition("=")[0] in known): words
        for words in reversed(jobs)
    }
    for chosen, words in first.items():
        try:
            choose(config_of(words))
        except NoSuchOption as error:
            swept = [word for word in chosen if any(word not in other for other in first)]
            raise UsageError(f"{' '.join(swept)}: {error}".removeprefix(": ")) from None
        except UsageError:
            pass


@contextmanager
def _for_workers(overrides: list[str]) -> Iterator[None]:
    """What a launcher with workers of this process needs; the others look after themselves."""
    if "hydra/launcher=joblib" not in overrides:
        yield
        return
    with interrupts_passed_on(lambda: Sweep.current.folder if Sweep.current else None):
        yield


def _sweep_job(home: Home, composed: DictConfig) -> Outcome:
    """One job, wherever the launcher has brought it."""
    from hydra.core.hydra_config import HydraConfig

    settings = HydraConfig.get()
    if cores := settings.launcher.get("cpus_per_task"):
        os.environ["OMP_NUM_THREADS"] = str(cores)  # what a run takes for its share
    folder = Path(home.directory, settings.sweep.dir)
    with at_work(home.process, folder):
        return run_job(composed, home, folder.name)


def _why_stopped(error: Exception, overrides: list[str]) -> Exception:
    """What has stopped a sweep; a mistake in the command is raised as such."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if Sweep.current is None:  # before any job was made
        raise UsageError(explain(error, overrides)) from None
    # Hydra has ValueErrors too, for some overrides; once jobs have run it could be a defect
    if isinstance(error, HydraException | OmegaConfBaseException | ValueError):
        launchers = type(error) is ValueError and any("hydra" in word for word in overrides)
        told = f"{error}; correct hydra.launcher's settings" if launchers else None
        mistake = UsageError(told or explain(error, overrides))
        if not Sweep.current.outcomes:
            raise mistake from None
        error = mistake if not isinstance(error, ValueError) else error
    # what a launcher raises when it loses its workers is its own; the sweep's end is told
    return error


def show_by_hydra(line: CommandLine) -> None:
    """What Hydra's own flags show: a config, a completion, its help."""
    asked = [word for word in line.overrides if word.startswith("query=")]
    if line.completion and asked and "COMP_LINE" not in os.environ:
        raise UsageError(
            f"-sc {asked[0]}: is what the shell asks when TAB is pressed; to have it ask: "
            'eval "$(cl-bench -sc install=bash)"'
        )
    try:
        by_hydra([*line.overrides, *line.showing], _no_run)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(explain(error, line.overrides)) from None


def _no_run(composed: DictConfig) -> None:
    raise UsageError("there is nothing that this flag shows; see cl-bench --hydra-help")
