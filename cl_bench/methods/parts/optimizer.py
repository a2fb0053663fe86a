"""Steps on θ: plain SGD, or any of torch.optim's, with a schedule within each task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.config.schema import Settings
from cl_bench.files.stateful import Stateful


class OptimizerSettings(Settings):
    """The optimiser beside its step size, which is the method's ``lr``.

    ``weight_decay`` is added to the gradient (``sgd``, ``adam``) or taken from the weights
    (``adamw``: Loshchilov & Hutter 2019). ``schedule`` is that of lr within a task: ``cosine``
    falls to ``floor`` · lr over its steps, ``exponential`` is lr · ``decay``**(whole passes).
    ``clip`` bounds the norm of the whole gradient. ``reset``: every task starts from rest, without
    moments.
    """

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0)
    betas: list[Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=[0.9, 0.999], min_length=2, max_length=2
    )
    eps: float = Field(default=1e-8, gt=0)
    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    decay: float = Field(default=1.0, gt=0, le=1)
    floor: float = Field(default=0.0, ge=0, le=1)
    clip: float | None = Field(default=None, gt=0)
    reset: bool = True

    @property
    def plain(self) -> bool:
        """θ ← θ - lr·g, with no state."""
        return self.name == "sgd" and not self.momentum and not self.weight_decay


class Optimizer(Stateful):
    """Steps on vectors that the method holds.

    Moments belong to a vector's place in the list; where one changes its shape all start from rest.
    """

    kept = ("steps", "per_task", "per_pass", "moments")

    def __init__(self, settings: OptimizerSettings, lr: float, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.base_lr = lr
        self.steps = 0  # of the task so far
        self.per_task = self.per_pass = 0  # steps that it will have; 0: not known
        self._places: list[Tensor] = []  # what torch.optim knows as its parameters
        self._optimizer: torch.optim.Optimizer | None = None

    def begin_task(self, steps: int, passes: int) -> None:
        """A task of so many ``steps`` in ``passes`` passes follows: the schedule starts anew."""
        self.steps, self.per_task, self.per_pass = 0, steps, steps // passes

    def end_task(self) -> None:
        """With ``reset`` the moments go: the next task starts from rest."""
        if self.settings.reset:
            self._optimizer = None

    @property
    def lr(self) -> float:
        """The step size of the step to come."""
        match self.settings.schedule:
            case "cosine" if self.per_task:
                share = (1 + math.cos(math.pi * self.steps / self.per_task)) / 2
                floor = self.settings.floor
                return self.base_lr * (floor + (1 - floor) * share)
            case "exponential" if self.per_pass:
                return self.base_lr * self.settings.decay ** (self.steps // self.per_pass)
        return self.base_lr

    def step(self, vectors: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """One step, in place; the gradients may be changed."""
        lr = self.lr
        self.steps += 1
        if self.settings.clip is not None:
            norm = torch.stack([g.norm() for g in gradients]).norm()
            factor = (self.settings.clip / (norm + 1e-6)).clamp(max=1)
            for g in gradients:
                g.mul_(factor)
        if self.settings.plain:
            for vector, g in zip(vectors, gradients, strict=True):
                vector.add_(g, alpha=-lr)
            return
        if self._optimizer is None or any(
            place.shape != vector.shape for place, vector in zip(self._places, vectors, strict=True)
        ):
            self._make(vectors)
        for place, vector, g in zip(self._places, vectors, gradients, strict=True):
            place.data, place.grad = vector, g
        self._optimizer.param_groups[0]["lr"] = lr
        self._optimizer.step()

    def metric(self, place: int) -> Tensor:
        """Adam's √v̂ + eps of the latest step, by which it divided: like the vector in ``place``."""
        state = self._optimizer.state[self._places[place]]
        # the count is kept in float32, in which the difference from 1 would have four digits
        bias = 1 - self.settings.betas[1] ** state["step"].item()
        return (state["exp_avg_sq"] / bias).sqrt_().add_(self.settings.eps)

    @property
    def moments(self) -> list[dict[str, Any]] | None:
        """What torch.optim keeps for each vector; None before the first step."""
        if self._optimizer is None:
            return None
        return [dict(self._optimizer.state[place]) for place in self._places]

    @moments.setter
    def moments(self, saved: list[dict[str, Any]] | None) -> None:
        if saved is None:
            self._optimizer = None
            return
        likes = (next((v for v in kept.values() if v.dim()), None) for kept in saved)
        self._make([torch.empty(0) if like is None else like for like in likes])
        for place, values in zip(self._places, saved, strict=True):
            # the count of steps stays on the CPU, as the optimiser has it
            self._optimizer.state[place] = {
                key: value.to("cpu" if key == "step" else self.device, copy=True)
                for key, value in values.items()
            }

    def _make(self, vectors: Sequence[Tensor]) -> None:
        s = self.settings
        self._places = [vector.detach() for vector in vectors]
        if s.name == "sgd":
            self._optimizer = torch.optim.SGD(
                self._places, self.base_lr, s.momentum, 0.0, s.weight_decay, s.nesterov
            )
            return
        make = torch.optim.Adam if s.name == "adam" else torch.optim.AdamW
        # one pass over memory instead of eight, on the CPU
        fused = self.device.type == "cpu"
        self._optimizer = make(
            self._places, self.base_lr, (s.betas[0], s.betas[1]), s.eps, s.weight_decay, fused=fused
        )
