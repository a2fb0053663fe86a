"""The first samples of the task at hand, for methods that look at them once when it ends."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class TaskBuffer:
    """At most ``size`` samples in the order in which they came; what comes later is not kept."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.clear(0)

    def clear(self, size: int) -> None:
        """Forget all samples; from now on keep the first ``size``."""
        self.size, self.count = size, 0
        self._x: Tensor | None = None  # made when the first batch tells the shape
        self._y = torch.zeros(size, dtype=torch.int64, device=self.device)

    def add(self, x: Tensor, y: Tensor) -> None:
        """Keep as much of the batch x (b, *input_shape), y (b,) as there is room for."""
        if self._x is None:
            self._x = torch.zeros(self.size, *x.shape[1:], device=self.device)
        kept = min(len(y), self.size - self.count)
        rows = slice(self.count, self.count + kept)
        self._x[rows], self._y[rows] = x[:kept], y[:kept]
        self.count += kept

    @property
    def samples(self) -> tuple[Tensor, Tensor]:
        """x (count, *input_shape), y (count,): views of what is held."""
        if self._x is None:
            raise RuntimeError("no sample has been added yet")
        return self._x[: self.count], self._y[: self.count]

    def state_dict(self) -> dict[str, Any]:
        held = self.samples if self.count else None
        return {"size": self.size, "samples": held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.clear(state["size"])
        if state["samples"] is not None:
            self.add(*state["samples"])
