"""Curves for Weights & Biases, offline unless asked otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from cl_bench.config.schema import Section
from cl_bench.errors import UsageError
from cl_bench.trackers.base import Tracker, numbers, scalars


class WandbSettings(Section):
    """``mode``: ``offline`` keeps the files in the run's directory for ``wandb sync``."""

    project: str
    mode: Literal["offline", "online"]


class Wandb(Tracker):
    """One W&B run per run directory; a continued run goes on in it."""

    Settings = WandbSettings
    settings: WandbSettings

    def __init__(self, settings: WandbSettings) -> None:
        super().__init__(settings)
        try:
            import wandb
        except ImportError:
            raise UsageError("tracker=wandb needs W&B: pip install 'cl-bench[wandb]'") from None
        self._wandb = wandb
        self._run: Any = None

    def begin(self, directory: Path, config: dict[str, Any]) -> None:
        self._run = self._wandb.init(
            project=self.settings.project, mode=self.settings.mode, dir=str(directory),
            name=directory.name, config=config, resume="allow",
            id=hashlib.sha256(str(directory.absolute()).encode()).hexdigest()[:16],
        )  # fmt: skip

    def task(self, row: int, accuracies: Sequence[float | None], timing: dict[str, float]) -> None:
        self._run.log(scalars(row, accuracies, timing, self.measure), step=row)

    def end(self, state: str, metrics: dict[str, Any]) -> None:
        if self._run is None:
            return
        self._run.summary.update(numbers(metrics))
        self._run.finish(exit_code=0 if state == "finished" else 1)
