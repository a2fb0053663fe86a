"""One job: from a composed config to what became of the run, alone or as a part of a sweep."""

from __future__ import annotations

import logging
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cl_bench.config.compose import checked
from cl_bench.errors import Diverged, RunError, UsageError
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
    """The process that the user started, and its working directory."""

    process: tuple[str, int]
    directory: str

    @classmethod
    def here(cls) -> Home:
        return cls(this_process(), str(Path.cwd()))


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
                os.chdir(home.directory)
            cfg = checked(composed)
            path = Path(cfg.outputs).expanduser() / cfg.directory_name()
            directory, quiet = str(path), cfg.quiet
            show_bar = sys.stderr.isatty() and not quiet and not elsewhere
            # of a sweep a terminal gets a line per run; the file of a run elsewhere gets it all
            lines = sweep is None or (elsewhere and not sys.stderr.isatty())
            _set_up_logging(quiet, show_bar or not lines, f"{path.name}: " if elsewhere else "")
            return _run_unless_finished(cfg, path, show_bar, sweep)
    except UsageError as error:
        return Outcome("failed", directory, str(error), 2, quiet)
    except RunError as error:
        state = "diverged" if isinstance(error, Diverged) else "failed"
        return Outcome(state, directory, str(error), 1, quiet)
    except OSError as error:
        return Outcome("failed", directory, os_sentence(error), 1, quiet)


def os_sentence(error: OSError) -> str:
    """What an error of the operating system says, with the file that it is about."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _run_unless_finished(
    cfg: RunConfig, directory: Path, show_bar: bool, sweep: str | None
) -> Outcome:
    from cl_bench.results.record import Busy, RunRecord

    record = RunRecord(directory)
    if record.finished and not cfg.force:
        from cl_bench.run.finished import check_results, tidy

        check_results(directory, cfg)
        tidy(record, cfg)
        level = logging.WARNING if sweep is None else logging.INFO  # a sweep has a line for it
        log.log(level, "%s", record.finished_already())
        return Outcome("finished", str(directory), quiet=cfg.quiet)
    from cl_bench.run.execute import execute

    try:
        execute(cfg, directory, show_bar, sweep)
    except Busy as busy:
        if sweep is None or busy.sweep != sweep:
            raise
        log.info("%s is being run by another job of this sweep", directory)
        return Outcome("duplicate", str(directory), quiet=cfg.quiet)
    return Outcome("finished", str(directory), quiet=cfg.quiet)


def _set_up_logging(quiet: bool, show_bar: bool, prefix: str) -> None:
    """Plain lines on stderr; only warnings beside a progress bar or when quiet."""
    log.setLevel(logging.DEBUG)
    log.handlers.clear()
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING if quiet or show_bar else logging.INFO)
    handler.setFormatter(logging.Formatter(f"{prefix}%(message)s"))
    log.addHandler(handler)
