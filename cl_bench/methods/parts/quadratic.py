"""The quadratic pull towards earlier weights that EWC, EWC++, MAS, SI and RWalk have in common."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.files.stateful import Stateful
from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.streams.task import Task


class QuadraticPenalty(Stateful):
    """λ Σ_k Σ_i Ω_k,i (θ_i - θ*_k,i)² for importances Ω_k (P,) and anchors θ*_k (P,).

    Its gradient is 2λ (A·θ - B) with the running sums A = Σ_k Ω_k and B = Σ_k Ω_k·θ*_k: a step
    costs O(P) however many tasks there were. All products are elementwise.
    """

    kept: ClassVar[tuple[str, ...]] = ("A", "B")

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

    def pull(self, theta: Tensor, rate: float) -> None:
        """θ ← (θ + rate·B) / (1 + rate·A), in place: the step whose end has the penalty's gradient.

        Finite for every ``rate`` = 2·lr·strength, where an explicit step needs rate·A < 2.
        """
        theta.add_(self.B, alpha=rate).div_(1 + rate * self.A)


class PenaltySettings(MethodSettings):
    """``strength``: λ. ``penalty_step``: ``explicit`` adds the penalty's gradient to the loss's
    (the papers); ``implicit`` takes plain SGD's step on the loss, then solves the penalty's."""

    strength: float = Field(ge=0)
    penalty_step: Literal["explicit", "implicit"] = "explicit"


class PenaltyMethod(Method):
    """g ← g + 2λ (A·θ - B). A subclass says what is important, when a task ends.

    ``implicit``: θ ← (θ - lr·g + 2·lr·λ·B) / (1 + 2·lr·λ·A).
    """

    kept: ClassVar[tuple[str, ...]] = ("penalty",)

    Settings = PenaltySettings
    settings: PenaltySettings

    def __init__(self, settings: PenaltySettings, context: Context) -> None:
        super().__init__(settings, context)
        self.penalty = QuadraticPenalty(self.net.size, context.device)
        if settings.penalty_step == "implicit" and not settings.optimizer.plain:
            raise UsageError(
                "method.penalty_step=implicit: is made for plain SGD; set it to explicit or "
                "method.optimizer to sgd without momentum and weight decay"
            )

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        self.penalized_step(self.gradient(x, y, task))

    def penalized_step(self, g: Tensor) -> None:
        """One step on the loss, whose gradient g (P,) is in ``net.grad``, and on the penalty."""
        s = self.settings
        if s.penalty_step == "explicit":
            self.penalty.add_gradient(g, self.net.theta, s.strength)
            self.step()
        else:
            lr = self.optimizer.lr
            self.step()
            self.penalty.pull(self.net.theta, 2 * lr * s.strength)

    def advice(self) -> str:
        """Names a penalty that is too stiff for explicit steps, with the number."""
        s = self.settings
        stiffness = s.lr * 2 * s.strength * float(self.penalty.A.max())
        if s.penalty_step == "explicit" and not stiffness < 2:
            return (
                f"lr·2·strength·max Ω is {stiffness:.3g}, and explicit steps need less than 2: "
                "choose method.penalty_step=implicit, or lower method.strength "
                f"(now {s.strength:g})"
            )
        return super().advice()
