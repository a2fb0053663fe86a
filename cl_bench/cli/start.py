"""A command line that names a run or a sweep: planned, shown, or carried out."""

from __future__ import annotations

import os
import sys

from cl_bench.config.overrides import CommandLine, read_line
from cl_bench.errors import UsageError
from cl_bench.run.signals import interrupts_kept, terminated_like_interrupted

BARE = (
    "cl-bench: nothing was chosen, so this is the default run: method={method} dataset={dataset} "
    "(cl-bench -h says how to choose; Ctrl-C stops it)"
)


def start(arguments: list[str]) -> int:
    """Do what the line says, interrupted by SIGTERM as by Ctrl-C; the exit code."""
    line = read_line(arguments)
    if line.dry_run:
        from cl_bench.sweep.plan import print_plan

        print_plan(line)
        return 0
    if line.showing:
        return _show(line)
    with terminated_like_interrupted(), interrupts_kept():
        if line.sweep:
            from cl_bench.sweep.launch import run_sweep

            return run_sweep(line.overrides)
        return _run_one(line.overrides)


def _run_one(overrides: list[str]) -> int:
    from cl_bench.config.compose import compose
    from cl_bench.run.job import Home, run_job
    from cl_bench.sweep.outcomes import show

    composed = compose(overrides)
    if not overrides:
        names = {group: composed[group].name for group in ("method", "dataset")}
        print(BARE.format(**names), file=sys.stderr)
    return show(run_job(composed, Home.here(), None)).code


def _show(line: CommandLine) -> int:
    """What Hydra's own flags show, the completion of a word among it."""
    from cl_bench.sweep.launch import show_by_hydra

    try:
        show_by_hydra(line)
    except UsageError:
        if line.completion and "COMP_LINE" in os.environ:
            return 2  # a word that is not finished yet is no mistake to talk about
        raise
    return 0
