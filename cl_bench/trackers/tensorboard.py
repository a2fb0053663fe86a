"""Curves for TensorBoard, by default in the run's own directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cl_bench.config.schema import Section
from cl_bench.errors import UsageError
from cl_bench.trackers.base import Tracker, flat, numbers, scalars


class TensorBoardSettings(Section):
    """``logs``: a directory that gets one folder per run; None: ``tensorboard`` in the run's."""

    logs: str | None


class TensorBoard(Tracker):
    """``tensorboard --logdir outputs`` shows all runs beside each other."""

    Settings = TensorBoardSettings
    settings: TensorBoardSettings

    def __init__(self, settings: TensorBoardSettings) -> None:
        super().__init__(settings)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UsageError(
                "tracker=tensorboard needs TensorBoard: pip install 'cl-bench[tensorboard]'"
            ) from None
        self._open = SummaryWriter
        self._writer: SummaryWriter | None = None

    def begin(self, directory: Path, config: dict[str, Any]) -> None:
        logs = self.settings.logs
        place = Path(logs).expanduser() / directory.name if logs else directory / "tensorboard"
        self._writer = self._open(str(place))
        lines = [f"    {key}: {value}" for key, value in flat(config).items()]
        self._writer.add_text("config", "\n".join(lines))

    def task(self, row: int, accuracies: Sequence[float | None], timing: dict[str, float]) -> None:
        for name, value in scalars(row, accuracies, timing, self.measure).items():
            self._writer.add_scalar(name, value, row)
        self._writer.flush()

    def end(self, state: str, metrics: dict[str, Any]) -> None:
        if self._writer is None:
            return
        for name, value in numbers(metrics).items():
            self._writer.add_scalar(name, value)
        self._writer.close()
