"""The contract of a tracker: begin, a row after each task, the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from cl_bench.config.schema import Section
from cl_bench.config.target import ACCURACY, Measure


class Tracker:
    """Follows one run and keeps nothing; what a run's directory records does not depend on it.

    A tracker imports its package when it is made, so that a missing one is told before training.
    A run that is continued calls :meth:`begin` again for the same directory. ``measure`` is what
    the run's tests give: accuracy, or R² where its targets are numbers.
    """

    Settings: ClassVar[type[Section]] = Section
    measure: Measure = ACCURACY

    def __init__(self, settings: Section) -> None:
        self.settings = settings

    def begin(self, directory: Path, config: dict[str, Any]) -> None:
        """The run of this directory starts, or goes on; ``config`` is nested plain values."""

    def task(self, row: int, accuracies: Sequence[float | None], timing: dict[str, float]) -> None:
        """``row`` tasks are learned; test accuracies on all tasks (T,), None where there was no
        test, and the seconds of this row."""

    def end(self, state: str, metrics: dict[str, Any]) -> None:
        """The run is finished, failed, diverged or interrupted; ``metrics`` are empty unless it
        is finished. Does nothing if the run has not begun."""


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"method": {"lr": 1}}`` as ``{"method.lr": 1}``."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def scalars(
    row: int,
    accuracies: Sequence[float | None],
    timing: dict[str, float],
    measure: Measure = ACCURACY,
) -> dict[str, float]:
    """What every tracker shows of a row: the mean over the tasks seen, each task, the seconds."""
    seen = [value for value in accuracies[:row] if value is not None]
    found = {f"{measure.key}/mean_of_seen": float(sum(seen) / len(seen))} if len(seen) else {}
    for number, value in enumerate(accuracies, start=1):
        if value is not None:
            found[f"{measure.key}/task_{number:03d}"] = float(value)
    for key in ("seconds_train", "seconds_eval"):
        found[f"time/{key}"] = float(timing[key])
    return found


def numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """The final metrics that are numbers."""
    return {f"final/{k}": float(v) for k, v in metrics.items() if isinstance(v, int | float)}
