"""The quadratic pull towards earlier weights that EWC, EWC++, MAS and SI have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class QuadraticPenalty:
    """λ Σ_k Σ_i Ω_k,i (θ_i - θ*_k,i)² for importances Ω_k (P,) and anchors θ*_k (P,).

    Its gradient is 2λ (A·θ - B) with the running sums A = Σ_k Ω_k and B = Σ_k Ω_k·θ*_k: a step
    costs O(P) however many tasks there were. All products are elementwise.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.A = torch.zeros(size, device=device)
        self.B = torch.zeros(size, device=device)
        self._pull = torch.zeros(size, device=device)

    def add(self, importance: Tensor, anchor: Tensor) -> None:
        """One more term with its own anchor: one penalty per task."""
        self.A.add_(importance)
        self.B.addcmul_(importance, anchor)

    def move(self, importance: Tensor, anchor: Tensor, decay: float) -> None:
        """A ← decay·A + ``importance``, all of it drawn to ``anchor``: one penalty in all."""
        self.A.mul_(decay).add_(importance)
        torch.mul(self.A, anchor, out=self.B)

    def add_gradient(self, g: Tensor, theta: Tensor, strength: float) -> None:
        """g ← g + 2·strength·(A·θ - B), in place."""
        # the difference is taken before it meets g: at the anchor the two products cancel
        torch.mul(self.A, theta, out=self._pull).sub_(self.B)
        g.add_(self._pull, alpha=2 * strength)

    def state_dict(self) -> dict[str, Any]:
        return {"A": self.A, "B": self.B}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.A.copy_(state["A"])
        self.B.copy_(state["B"])
