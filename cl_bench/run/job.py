"""One job: from a composed config to what became of the run, alone or as a part of a sweep."""

from __future__ import annotations

import gc
import logging
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cl_bench.config import origins, registry
from cl_bench.config.compose import checked
from cl_bench.errors import Diverged, RunError, UsageError, os_sentence
from cl_bench.run.signals import interrupts_kept, terminated_like_interrupted

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from cl_bench.config.schema import RunConfig

log = logging.getLogger("cl_bench")


def this_process() -> tuple[str, int]:
    """Host and process id."""
    return platform.node(), os.getpid()


@dataclass(frozen=True)
class Home:
    """The process that the user started, its working directory, and where its choices come from."""

    process: tuple[str, int]
    directory: str
    included: tuple[str, ...] = ()
    registered: dict[tuple[str, str], Any] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Home:
        return cls(this_process(), str(Path.cwd()), origins.included(), registry.registered())

    def enter(self) -> None:
        """Another process finds here what this one did."""
        os.chdir(self.directory)
        origins.include(self.included)
        for (group, name), made in self.registered.items():
            registry.register(group, name, made)


@dataclass(frozen=True)
class Outcome:
    """What became of a run; ``directory`` is empty if its config does not even name one.

    ``duplicate``: another job of the same sweep does this very run. ``quiet`` is the config's.
    """

    state: Literal["finished", "duplicate", "diverged", "failed"]
    directory: str = ""
    message: str = ""
    code: int = 0
    quiet: bool = False

    @property
    def failed(self) -> bool:
        return self.state in ("diverged", "failed")


def run_job(composed: DictConfig, home: Home, sweep: str | None) -> Outcome:
    """Run what was composed; every failure that has a sentence becomes an outcome.

    A job that a launcher started elsewhere finds itself in ``home``'s working directory.
    """
    elsewhere = this_process() != home.process
    directory, quiet = "", False
    try:
        with terminated_like_interrupted(), interrupts_kept():
            if elsewhere:
                home.enter()
            cfg = checked(composed)
            path = Path(cfg.outputs).expanduser() / cfg.directory_name()
            directory, quiet = str(path), cfg.quiet
            show_bar = sys.stderr.isatty() and not quiet and not elsewhere
            # of a sweep a terminal gets a line per run; the file of a run elsewhere gets it all
            lines = sweep is None or (elsewhere and not sys.stderr.isatty())
            level = logging.WARNING if quiet or show_bar or not lines else logging.INFO
            with told_on_stderr(level, f"{path.name}: " if elsewhere else ""):
                # a sweep has a line for a run that is finished already
                again = logging.WARNING if sweep is None else logging.INFO
                return run_unless_finished(cfg, path, show_bar, sweep, again)
    except UsageError as error:
        return Outcome("failed", directory, str(error), 2, quiet)
    except RunError as error:
        state: Literal["diverged", "failed"] = (
            "diverged" if isinstance(error, Diverged) else "failed"
        )
        return Outcome(state, directory, str(error), 1, quiet)
    except OSError as error:
        return Outcome("failed", directory, os_sentence(error), 1, quiet)


def run_unless_finished(
    cfg: RunConfig,
    directory: Path,
    show_bar: bool = False,
    sweep: str | None = None,
    again: int = logging.DEBUG,
) -> Outcome:
    """Carry out the run, or the rest of it; ``again`` is the level at which is told that there is
    nothing to be done."""
    from cl_bench.results.record import Busy, RunRecord

    record = RunRecord(directory)
    if record.finished and not cfg.force:
        from cl_bench.run.finished import check_results, tidy

        check_results(directory, cfg)
        tidy(record, cfg)
        log.log(again, "%s", record.finished_already())
        return Outcome("finished", str(directory), quiet=cfg.quiet)
    with _uncollected():  # torch
        from cl_bench.run.execute import execute

    try:
        execute(cfg, directory, show_bar, sweep)
    except Busy as busy:
        if sweep is None or busy.sweep != sweep:
            raise
        log.info("%s is being run by another job of this sweep", directory)
        return Outcome("duplicate", str(directory), quiet=cfg.quiet)
    return Outcome("finished", str(directory), quiet=cfg.quiet)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing is searched for garbage: what is imported lives to the end, and there is much."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def told_on_stderr(level: int, prefix: str = "") -> Iterator[None]:
    """Within the block what is logged goes to stderr as plain lines, from ``level`` on, and nowhere
    else; the file of a run gets all of it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(f"{prefix}%(message)s"))
    level_before, before = log.level, (log.handlers, log.propagate)
    log.setLevel(logging.DEBUG)
    log.handlers, log.propagate = [handler], False
    try:
        yield
    finally:
        log.setLevel(level_before)
        log.handlers, log.propagate = before
