"""What every memory offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from cl_bench.config.schema import Section


class Memory(ABC):
    """Samples x float32 (*input_shape), y int64, of known tasks; at most ``size`` of them.

    A memory decides what it keeps; drawing from what it holds is the same for all. It has no
    random numbers of its own: the method hands its generator to every call that draws.
    """

    Settings: ClassVar[type[Section]]
    x: Tensor  # storage (rows, *input_shape); not every row need hold a sample
    y: Tensor  # labels (rows,)

    @abstractmethod
    def __init__(
        self, settings: Section, tasks: int, input_shape: tuple[int, ...], device: torch.device
    ) -> None:
        """Room for ``settings.size`` samples of ``tasks`` tasks."""

    @abstractmethod
    def add(
        self, x: Tensor, y: Tensor, task: int, generator: torch.Generator | None = None
    ) -> None:
        """Offer a batch x (b, *input_shape), y (b,) of the task with index ``task``.

        A memory that keeps samples at random draws from ``generator`` and cannot do without it.
        """

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples held."""

    @abstractmethod
    def rows(self) -> Tensor:
        """The rows of ``x`` and ``y`` that hold a sample, int64 (len(self),), on the CPU."""

    @abstractmethod
    def task_ids(self, rows: Tensor) -> Tensor:
        """Task index of each of the given rows, int64 of the same shape and device."""

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Rows of samples, int64 ``shape`` on the CPU: independent, uniform, with replacement."""
        return self.rows()[torch.randint(len(self), shape, generator=generator)]

    def draw_distinct(self, n: int, generator: torch.Generator) -> Tensor:
        """Rows of n <= len(self) different samples, int64 (n,) on the CPU, uniform."""
        return self.rows()[torch.randperm(len(self), generator=generator)[:n]]

    def sample(
        self, n: int, generator: torch.Generator, replacement: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x (m, *input_shape), y (m,), task indices (m,) of m = min(n, len(self)) samples."""
        m = min(n, len(self))
        if not m:
            rows = torch.empty(0, dtype=torch.int64)
        else:
            rows = self.draw((m,), generator) if replacement else self.draw_distinct(m, generator)
        rows = rows.to(self.y.device)
        return self.x[rows], self.y[rows], self.task_ids(rows)

    def sample_past(
        self, tasks: int, n: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x, y, task indices of n different samples of the first ``tasks`` tasks, or all of them.

        Uniform over the samples of these tasks together.
        """
        rows = self.rows()
        rows = rows[self.task_ids(rows) < tasks]
        rows = rows[torch.randperm(len(rows), generator=generator)[:n]].to(self.y.device)
        return self.x[rows], self.y[rows], self.task_ids(rows)

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that later behaviour depends on: tensors, numbers and lists of numbers."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""

    @property
    def bytes(self) -> int:
        """Bytes of the sample storage."""
        return self.x.nbytes + self.y.nbytes
