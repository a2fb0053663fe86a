"""Parameters, curves and final metrics for MLflow, in a local store or on a server."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cl_bench.config.schema import Section
from cl_bench.errors import RunError, UsageError
from cl_bench.files.atomic import write_json
from cl_bench.files.untrusted import Damaged, clean, read_json
from cl_bench.trackers.base import Tracker, flat, numbers, scalars

log = logging.getLogger("cl_bench")

LINK = "mlflow.json"  # in the run's directory: which MLflow run it is, for a continued run
LONGEST = 500  # characters of a parameter that every store takes
ENDS = {"finished": "FINISHED", "interrupted": "KILLED"}


class MLflowSettings(Section):
    """``uri``: of the tracking store, ``sqlite:///FILE`` or ``http://…``."""

    uri: str
    experiment: str


class MLflow(Tracker):
    """One MLflow run per run directory."""

    Settings = MLflowSettings
    settings: MLflowSettings

    def __init__(self, settings: MLflowSettings) -> None:
        super().__init__(settings)
        try:
            import mlflow
        except ImportError:
            raise UsageError(
                "tracker=mlflow needs MLflow: pip install 'cl-bench[mlflow]'"
            ) from None
        self._mlflow = mlflow
        self._run: str | None = None
        try:
            self._client = mlflow.MlflowClient(tracking_uri=settings.uri)
        except (mlflow.exceptions.MlflowException, ImportError) as error:
            raise UsageError(f"tracker.uri={settings.uri}: {clean(error)}") from None

    def begin(self, directory: Path, config: dict[str, Any]) -> None:
        try:
            self._begin(directory, config)
        except self._mlflow.exceptions.MlflowException as error:
            raise RunError(f"tracker.uri={self.settings.uri}: {clean(error)}") from None

    def _begin(self, directory: Path, config: dict[str, Any]) -> None:
        where = {"uri": self.settings.uri, "experiment": self.settings.experiment}
        try:
            link = read_json(directory / LINK)
        except Damaged:
            link = {}
        if isinstance(run := link.get("run"), str) and where.items() <= link.items():
            self._run = run
            self._client.update_run(run, status="RUNNING")
            return
        self._run = self._new_run(directory.name)
        entities = self._mlflow.entities
        values = {key: str(value)[:LONGEST] for key, value in flat(config).items()}
        params = [entities.Param(key, value) for key, value in values.items()]
        self._client.log_batch(self._run, params=params)
        write_json(directory / LINK, {**where, "run": self._run})

    def _new_run(self, name: str) -> str:
        found = self._client.get_experiment_by_name(self.settings.experiment)
        experiment = (
            found.experiment_id
            if found is not None
            else self._client.create_experiment(self.settings.experiment)
        )
        return self._client.create_run(experiment, run_name=name).info.run_id

    def task(self, row: int, accuracies: Sequence[float | None], timing: dict[str, float]) -> None:
        with self._forgiving():
            self._log(scalars(row, accuracies, timing, self.measure), row)

    def end(self, state: str, metrics: dict[str, Any]) -> None:
        if self._run is None:
            return
        with self._forgiving():
            self._log(numbers(metrics), 0)
            self._client.set_terminated(self._run, ENDS.get(state, "FAILED"))

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """A store that goes away costs a warning, not hours of training."""
        try:
            yield
        except self._mlflow.exceptions.MlflowException as error:
            log.warning("MLflow at %s: %s", self.settings.uri, clean(error))

    def _log(self, values: dict[str, float], step: int) -> None:
        now, entity = int(1000 * time.time()), self._mlflow.entities.Metric
        metrics = [entity(key, value, now, step) for key, value in values.items()]
        for start in range(0, len(metrics), 1000):  # the most that one request may carry
            self._client.log_batch(self._run, metrics=metrics[start : start + 1000])
