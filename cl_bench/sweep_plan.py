"""``--dry-run``: the runs of a command, which are finished, and how long the rest takes."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cl_bench.composition import compose, explain
from cl_bench.config import RunConfig
from cl_bench.errors import UsageError
from cl_bench.job import checked
from cl_bench.results.scan import (
    Damaged,
    clean,
    read_json,
    read_status,
    read_yaml,
    run_directories,
)
from cl_bench.words import SWEEP_FLAGS


@dataclass(frozen=True)
class Planned:
    """``seconds`` is an estimate, None where no earlier run is similar enough."""

    directory: Path
    state: str  # as in status.json, or "to do"
    seconds: float | None
    to_do: bool  # finished runs too with force=true


@dataclass(frozen=True)
class Earlier:
    """A finished run: what it was and how long it took."""

    config: dict[str, Any]
    seconds: float


def combinations(overrides: Sequence[str], sweep: bool) -> list[list[str]]:
    """The command lines of the single runs, in the order in which a sweep makes them."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise UsageError(explain(error, overrides)) from None
    choices = []
    for override in parsed:
        if not override.is_sweep_override():
            choices.append([override.input_line])
        elif not sweep:
            raise UsageError(f"{override.input_line}: several values need a sweep; add -m")
        elif not (override.is_discrete_sweep()):
            raise UsageError(f"{override.input_line}: only lists and ranges can be counted")
        else:
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
    return [list(words) for words in itertools.product(*choices)]


def plan(arguments: Sequence[str]) -> list[Planned]:
    """All runs of a command line, each once.

    A choice or an option that there is not is told; whether a method's, a dataset's or a model's
    values are in range is known to their classes alone, which take PyTorch to be asked.
    """
    from cl_bench.sweep import NO_RUNS, check_launcher

    overrides = [word for word in arguments if word not in SWEEP_FLAGS]
    if flags := [word for word in overrides if word.startswith("-")]:
        raise UsageError(f"--dry-run does not go with {flags[0]}")
    jobs = combinations(overrides, sweep=len(overrides) < len(arguments))
    if not jobs:
        raise UsageError(NO_RUNS)
    check_launcher(overrides)
    configs: dict[Path, RunConfig] = {}
    for words in jobs:
        try:
            cfg = checked(compose(words))
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


def finished(places: Sequence[Path]) -> list[Earlier]:
    """The finished runs below ``places``; what cannot be read is no help and left out."""
    found = []
    for directory in run_directories(places):
        if read_status(directory)[0] != "finished":
            continue
        try:
            config = read_yaml(directory / "config.yaml")
            seconds = read_json(directory / "metrics.json").get("seconds_total")
        except Damaged:
            continue
        sections = ("method", "dataset", "model", "memory", "device")
        if isinstance(seconds, int | float) and all(
            isinstance(config.get(key), dict) for key in sections
        ):
            found.append(Earlier(config, float(seconds)))
    return found


def estimate(cfg: RunConfig, earlier: Sequence[Earlier]) -> float | None:
    """Seconds, from runs of the same method, dataset, model and device.

    The median of those with equal settings but the seed; else of all, each scaled by its number
    of training samples, where both are known.
    """
    ours = cfg.model_dump(mode="json")
    alike = [run for run in earlier if _choices(run.config) == _choices(ours)]
    exact = [run.seconds for run in alike if _settings(run.config) == _settings(ours)]
    if exact:
        return _median(exact)
    wanted = _samples(ours)
    known = [(run.seconds, _samples(run.config)) for run in alike]
    scaled = [seconds * wanted / samples for seconds, samples in known if wanted and samples]
    return _median(scaled) if scaled else None


def _choices(config: dict[str, Any]) -> list[Any]:
    return [config[key].get("name") for key in ("method", "dataset", "model", "device")]


def _settings(config: dict[str, Any]) -> list[Any]:
    dataset = {key: value for key, value in config["dataset"].items() if key != "seed"}
    return [config["method"], dataset, config["model"], config["memory"]]


def _samples(config: dict[str, Any]) -> float | None:
    """Training samples of a run, passes counted; None where the dataset decides."""
    numbers = [config["dataset"].get(key) for key in ("tasks", "samples_per_task", "epochs")]
    if not all(isinstance(number, int | float) and number > 0 for number in numbers):
        return None
    tasks, samples, epochs = numbers
    return tasks * samples * epochs


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[-middle - 1]) / 2


def print_plan(arguments: Sequence[str]) -> None:
    """The plan as a table, and its sum."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    runs = plan(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("state", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("run", overflow="fold")
    for run in runs:
        shown = duration(run.seconds) if run.to_do else ""
        table.add_row(run.state, shown, Text(clean(run.directory)))
    console.print(table)
    left = [run for run in runs if run.to_do]
    known = [run.seconds for run in left if run.seconds is not None]
    words = f"{len(runs)} runs, {len(runs) - len(left)} finished, {len(left)} to do"
    if known:
        words += f": about {duration(sum(known))} one after the other"
    if unknown := len(left) - len(known):
        words += f"; no earlier run to judge {unknown} of them by"
    console.print(words)


def duration(seconds: float | None) -> str:
    """``8 s``, ``3 min``, ``2.5 h``; a question mark for None."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
