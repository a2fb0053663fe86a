"""How long a run will take, judged by earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cl_bench.config.schema import RunConfig, further_identity
from cl_bench.files.untrusted import (
    Damaged,
    read_json,
    read_status,
    read_yaml,
    run_directories,
)


@dataclass(frozen=True)
class Earlier:
    """A finished run: what it was and how long it took."""

    config: dict[str, Any]
    seconds: float


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
    further = further_identity(config)
    return [config["method"], dataset, config["model"], config["memory"], further]


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
