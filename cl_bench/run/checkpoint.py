"""What a run keeps while it learns, so that it can be taken up again to the bit."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import torch

from cl_bench.config import registry
from cl_bench.config.schema import CheckpointSettings, RunConfig
from cl_bench.errors import RunError
from cl_bench.files.state import read_state, write_state
from cl_bench.files.untrusted import clean
from cl_bench.run import environment
from cl_bench.run.state import CHECKPOINT as FILE
from cl_bench.run.state import RunState

log = logging.getLogger("cl_bench")

SHARE = 50  # a checkpoint is due after this many times the time that the last one took: 2%
FIRST_COST = 0.02  # seconds, assumed before one has been measured


class Checkpoint:
    """The checkpoint of the run in ``directory``.

    ``stamp`` is what the run's state depends on: a checkpoint with another one is not continued.
    ``setting`` is what its last digits may depend on (the device): a change is told.
    """

    def __init__(
        self,
        directory: Path,
        settings: CheckpointSettings,
        stamp: dict[str, Any],
        setting: dict[str, Any],
    ) -> None:
        self.path = directory / FILE
        self.settings = settings
        self.stamp = {"checkpoint of": "a run", **stamp}
        self.setting = setting
        self._cost = FIRST_COST
        self._last = time.perf_counter()

    def load(self) -> tuple[Any, RunState] | None:
        """State and run_state to continue from; None if there is none.

        ``ValueError`` with the reason if there is one that cannot be used.
        """
        try:
            state, facts = read_state(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(error.strerror) from None
        found, setting = facts.get("stamp"), facts.get("setting")
        if not isinstance(found, dict):
            raise ValueError("it does not say what it belongs to")
        if different := [key for key in self.stamp if found.get(key) != self.stamp[key]]:
            raise ValueError(f"it belongs to another {' and '.join(different)}")
        run_state = RunState.model_validate(facts.get("run_state"))
        if setting != self.setting:
            log.warning(
                "continuing with %s what was begun with %s: the last digits may differ from those "
                "of an uninterrupted run",
                self.setting,
                clean(setting),
            )
        return state, run_state

    def due(self, task_ended: bool) -> bool:
        """Whether to save now: at 2% of the time after ``every`` seconds or at a task's end, which
        is both its last batch and its evaluation."""
        waited = time.perf_counter() - self._last
        return self.settings.every == 0 or (
            (task_ended or waited >= self.settings.every) and waited >= SHARE * self._cost
        )

    def save(self, state: Any, run_state: RunState) -> None:
        """Write the checkpoint; a disk that does not take it costs a warning, not the run."""
        began = time.perf_counter()
        values = run_state.model_copy(update={"total": run_state.seconds_total}).model_dump()
        facts = {"stamp": self.stamp, "setting": self.setting, "run_state": values}
        try:
            write_state(self.path, state, facts)
        except OSError as error:
            log.warning("%s cannot be written: %s", self.path, error.strerror)
        self._last = time.perf_counter()
        self._cost = self._last - began

    def set_aside(self, reason: object) -> None:
        """Move an unusable checkpoint out of the way, under a name that is told."""
        number = 1
        while (aside := self.path.with_name(f"{FILE}.unusable{number}")).exists():
            number += 1
        try:
            self.path.rename(aside)
        except OSError as error:
            raise RunError(f"{self.path} cannot be moved away: {error.strerror}") from None
        log.warning(
            "%s cannot be continued: %s; it is set aside as %s and the run starts over",
            self.path, clean(reason), aside.name,
        )  # fmt: skip

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def stamp(cfg: RunConfig, data_sha256: str, files: dict[str, str]) -> dict[str, Any]:
    """What a checkpoint must share with the run that continues it, as plain JSON values; ``files``
    are those that the method has read, by the option that names them."""
    included = registry.code(cfg)
    return {
        "configuration": json.loads(json.dumps(cfg.identity())),
        "dataset": data_sha256,
        **files,
        **({f"version of {', '.join(included)}": included} if included else {}),
        "version of cl-bench": environment.code_sha256(),
        "version of torch": torch.__version__,
    }
