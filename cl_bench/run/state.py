"""How far a run has come."""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr


class RunState(BaseModel):
    """How far a run has come.

    ``rows`` of the accuracy matrix and ``timings`` begin with the untrained network; ``batch``
    counts the batches observed of the task that follows the last row, ``seconds`` those spent
    on them. ``total`` are the seconds of all ``sessions`` before this one and, in a checkpoint,
    of this one too.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    rows: list[list[float]] = []
    timings: list[dict[str, int | float]] = []
    batch: int = Field(0, ge=0)
    seconds: float = 0.0
    total: float = 0.0
    sessions: int = Field(0, ge=0)
    _began: float = PrivateAttr(default_factory=time.perf_counter)

    @property
    def seconds_total(self) -> float:
        """Seconds of the whole run so far."""
        return self.total + time.perf_counter() - self._began

    def continued(self, began: float) -> RunState:
        """The run_state of one more session, which began at ``began`` (``time.perf_counter``)."""
        run_state = self.model_copy(update={"sessions": self.sessions + 1})
        run_state._began = began
        return run_state
