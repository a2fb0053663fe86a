"""How far a run has come."""

from __future__ import annotations

import time
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

CHECKPOINT = "checkpoint.safetensors"  # of a run's directory
TIMING = ("task", "seconds_train", "seconds_eval")

Accuracy = Annotated[float, Field(le=1, allow_inf_nan=False)]  # or R², which may be negative
Seconds = Annotated[float, Field(ge=0, le=1e12)]


class Evaluated(BaseModel):
    """Accuracies (T,) on the tasks seen so far, None for the others: in ``stay`` (from 1), after
    ``batch`` of its batches, and what learning had cost the whole run by then."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

    stay: int = Field(ge=1)
    batch: int = Field(ge=1)
    forward_passes: int = Field(ge=0)
    backward_passes: int = Field(ge=0)
    seconds_train: Seconds
    accuracy: list[Accuracy | None]


class RunState(BaseModel):
    """How far a run has come.

    ``rows`` of the accuracy matrix (None: not measured) and ``timings`` begin with the untrained
    network; ``batch`` counts the batches observed of the task that follows the last row,
    ``seconds`` those spent on them, ``seconds_eval`` those on tests among them. ``curve`` are these
    tests and those at the end of every stay, if the run has tests within its tasks. ``total`` are
    the seconds of all ``sessions`` before this one and, in a checkpoint, of this one too.
    ``kernels`` are those that did the arithmetic, in their order.

    It is read from checkpoints that anybody may have made: all that can be wrong in it is found
    here and in :meth:`check_fits`, as a ``ValueError``.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    rows: list[list[Accuracy | None]] = []
    timings: list[dict[str, int | float]] = []
    batch: int = Field(default=0, ge=0)
    seconds: Seconds = 0.0
    seconds_eval: Seconds = 0.0
    curve: list[Evaluated] = []
    total: Seconds = 0.0
    sessions: int = Field(default=0, ge=0, le=10**6)
    kernels: list[Annotated[str, Field(max_length=40, pattern=r"^\w*$")]] = []
    _began: float = PrivateAttr(default_factory=time.perf_counter)

    @field_validator("timings")
    @classmethod
    def _are_timings(cls, rows: list[dict[str, int | float]]) -> list[dict[str, int | float]]:
        for number, row in enumerate(rows):
            if tuple(row) != TIMING or row["task"] != number:
                raise ValueError("its timings are not those of one task after the other")
            if not all(0 <= row[key] <= 1e12 for key in TIMING[1:]):
                raise ValueError("its timings are no seconds")
        return rows

    @model_validator(mode="after")
    def _belong_together(self) -> RunState:
        if len(self.rows) != len(self.timings):
            raise ValueError("it has timings of other tasks than its accuracy matrix")
        return self

    def check_fits(self, batches: list[int], tasks: int) -> None:
        """``ValueError`` if this is not the state of a run of so many ``tasks``, whose stays have
        so many ``batches``."""
        stays, learned = len(batches), len(self.rows) - 1
        if not 0 <= learned <= stays or any(len(row) != tasks for row in self.rows):
            raise ValueError("its accuracy matrix does not fit")
        if self.batch > (batches[learned] if learned < stays else 0):
            raise ValueError("it has learned more batches than there are")
        reached = [(point.stay, point.batch) for point in self.curve]
        if (
            sorted(set(reached)) != reached
            or any(stay > stays or batch > batches[stay - 1] for stay, batch in reached)
            or (reached and max(reached) > (learned + 1, self.batch))
            or any(len(point.accuracy) != tasks for point in self.curve)
        ):
            raise ValueError("its tests within tasks do not fit")

    @property
    def seconds_total(self) -> float:
        """Seconds of the whole run so far."""
        return self.total + time.perf_counter() - self._began

    def continued(self, began: float, kernel: str = "") -> RunState:
        """The run_state of one more session, which began at ``began`` (``time.perf_counter``)."""
        kernels = self.kernels + [kernel] * (kernel not in self.kernels[-1:])
        run_state = self.model_copy(update={"sessions": self.sessions + 1, "kernels": kernels})
        run_state._began = began
        return run_state
