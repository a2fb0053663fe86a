"""``--dry-run``: the runs of a command, which are finished, and how long the rest takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.config.combinations import combinations
from cl_bench.config.compose import config_of
from cl_bench.config.overrides import CommandLine
from cl_bench.config.schema import RunConfig
from cl_bench.errors import UsageError
from cl_bench.files.untrusted import (
    clean,
    read_status,
)
from cl_bench.run.progress import duration
from cl_bench.sweep.estimate import estimate, finished


@dataclass(frozen=True)
class Planned:
    """``seconds`` is an estimate, None where no earlier run is similar enough."""

    directory: Path
    state: str  # as in status.json, or "to do"
    seconds: float | None
    to_do: bool  # finished runs too with force=true


def plan(line: CommandLine) -> list[Planned]:
    """All runs of a command line, each once.

    Everything that needs no data is checked, as a run would check it.
    """
    from cl_bench.run.build import choose
    from cl_bench.sweep.outcomes import NO_RUNS, check_launcher

    overrides = line.overrides
    if line.showing:
        flag = next(word for word in line.showing if word not in ("-m", "--multirun"))
        raise UsageError(f"--dry-run does not go with {flag}; leave one of them out")
    jobs = combinations(overrides, line.sweep)
    if not jobs:
        raise UsageError(NO_RUNS)
    check_launcher(overrides)
    configs: dict[Path, RunConfig] = {}
    for words in jobs:
        try:
            cfg = config_of(words)
            choose(cfg)
        except UsageError as error:
            raise UsageError(f"{' '.join(words)}: {error}" if len(jobs) > 1 else error) from None
        configs[Path(cfg.outputs).expanduser() / cfg.directory_name()] = cfg
    places = {path.parent for path in configs if path.parent.is_dir()}
    earlier = finished(sorted(places))
    runs = []
    for directory, cfg in configs.items():
        state = _state(directory)
        to_do = cfg.force or state != "finished"
        runs.append(Planned(directory, state, estimate(cfg, earlier), to_do))
    return runs


def _state(directory: Path) -> str:
    return read_status(directory)[0] if (directory / "status.json").is_file() else "to do"


def print_plan(line: CommandLine) -> None:
    """The plan as a table, and its sum."""
    from rich.table import Table
    from rich.text import Text

    from cl_bench.results.terminal import output

    runs = plan(line)
    console = output(200)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("state", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("run", overflow="fold")
    for run in runs:
        shown = duration(run.seconds) if run.to_do else ""
        table.add_row(run.state, shown, Text(clean(run.directory)))
    console.print(table)
    console.print(summary(runs))


def summary(runs: Sequence[Planned]) -> str:
    """How many there are, and how long the rest takes."""
    left = [run for run in runs if run.to_do]
    known = [run.seconds for run in left if run.seconds is not None]
    words = f"{len(runs)} runs, {len(runs) - len(left)} finished, {len(left)} to do"
    if known:
        words += f": about {duration(sum(known))} one after the other"
    if unknown := len(left) - len(known):
        words += f"; no earlier run to judge {unknown} of them by"
    return words
