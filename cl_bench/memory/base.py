"""What every memory offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from cl_bench.config.pairing import Need
from cl_bench.config.schema import Section
from cl_bench.files.stateful import Stateful

# what a method can ask of a memory:
# - "stream": takes the batches of the stream as they come, in any task
# - "task blocks": gives the samples of each of some tasks as one block (``blocks``), and says of
#   which it has any (``tasks``)
# - "class exemplars": takes each class once, its best samples first
# - "chosen rows": keeps what it was given until the method replaces it
Ability = Literal["stream", "task blocks", "class exemplars", "chosen rows"]


@dataclass(frozen=True)
class Samples:
    """Samples of a memory: x (n, *input_shape), y (n,) (numbers: (n, C)), task ids (n,), and the
    rows they are in.

    A column of the memory is read by its name: ``samples.logits`` (n, width).
    """

    x: Tensor
    y: Tensor
    task_ids: Tensor
    rows: Tensor
    columns: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.y)

    def __getattr__(self, name: str) -> Tensor:
        if name == "columns" or name not in self.columns:
            raise AttributeError(f"the memory has no column {name}")
        return self.columns[name]


class Memory(Stateful, ABC):
    """Samples x float32 (*input_shape), y int64 (or C numbers float32), of known tasks; at most
    ``size`` of them.

    A memory decides what it keeps; drawing from what it holds is the same for all. It has no
    random numbers of its own: the method hands its generator to every call that draws. Beside every
    sample it keeps a row of each :meth:`column` that the method asks for.
    """

    Settings: ClassVar[type[Section]]
    abilities: ClassVar[frozenset[Ability]]
    kept: ClassVar[tuple[str, ...]] = ("x", "y", "columns")
    needs: ClassVar[frozenset[Need]] = frozenset()  # what it relies on, as a method says it
    x: Tensor  # storage (rows, *input_shape); not every row need hold a sample
    y: Tensor  # labels (rows,), or numbers (rows, C)

    @abstractmethod
    def __init__(
        self, settings: Section, tasks: int, input_shape: tuple[int, ...], device: torch.device
    ) -> None:
        """Room for ``settings.size`` samples of ``tasks`` tasks, made by :meth:`make_room`."""

    def make_room(self, rows: int, input_shape: tuple[int, ...], device: torch.device) -> None:
        """The storage, empty."""
        self.device = device
        self.x = torch.zeros(rows, *input_shape, device=device)
        self.y = torch.zeros(rows, dtype=torch.int64, device=device)
        self.columns: dict[str, Tensor] = {}

    def keep_numbers(self, width: int) -> None:
        """The targets are so many numbers, not a label; nothing is held yet."""
        self.y = torch.zeros(len(self.y), width, device=self.device)

    def grow(self, rows: int) -> None:
        """Room for at least so many rows; what is held stays."""
        more = rows - len(self.y)
        if more > 0:
            self.x = torch.cat([self.x, self.x.new_zeros(more, *self.x.shape[1:])])
            self.y = torch.cat([self.y, self.y.new_zeros(more, *self.y.shape[1:])])
            for name, values in self.columns.items():
                self.columns[name] = torch.cat([values, values.new_zeros(more, values.shape[1])])

    def column(self, name: str, width: int) -> None:
        """Keep ``width`` float32 numbers called ``name`` beside every sample from now on."""
        self.columns[name] = torch.zeros(len(self.y), width, device=self.device)

    @abstractmethod
    def add(
        self,
        x: Tensor,
        y: Tensor,
        task: int,
        generator: torch.Generator | None = None,
        **columns: Tensor,
    ) -> None:
        """Offer a batch x (b, *input_shape), y (b,) of the task with index ``task``, which is
        :data:`~cl_bench.streams.task.UNKNOWN` where nobody tells it.

        Every column gets its rows (b, width) by name. A memory that keeps samples at random draws
        from ``generator`` and cannot do without it.
        """

    def write(
        self,
        rows: Tensor | slice,
        x: Tensor,
        y: Tensor,
        columns: dict[str, Tensor],
        chosen: Tensor | slice,
    ) -> None:
        """The ``chosen`` samples of a batch go to ``rows``."""
        if columns.keys() != self.columns.keys():
            raise ValueError(
                f"the memory keeps the columns {list(self.columns)}, not {list(columns)}"
            )
        self.x[rows], self.y[rows] = x[chosen], y[chosen]
        for name, values in columns.items():
            self.columns[name][rows] = values[chosen]

    def move(self, rows: Tensor, targets: Tensor | slice) -> None:
        """The samples of ``rows`` go to ``targets``, columns and all."""
        for storage in (self.x, self.y, *self.columns.values()):
            storage[targets] = storage[rows]

    def at(self, rows: Tensor) -> Samples:
        """The samples of ``rows`` (n,)."""
        rows = rows.to(self.device)
        columns = {name: values[rows] for name, values in self.columns.items()}
        return Samples(self.x[rows], self.y[rows], self.task_ids(rows), rows, columns)

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

    def sample(self, n: int, generator: torch.Generator, replacement: bool = False) -> Samples:
        """min(n, len(self)) samples, uniform; different ones unless drawn with replacement."""
        m = min(n, len(self))
        if not m:
            return self.at(torch.empty(0, dtype=torch.int64))
        return self.at(
            self.draw((m,), generator) if replacement else self.draw_distinct(m, generator)
        )

    def sample_past(self, task: int | None, n: int, generator: torch.Generator) -> Samples:
        """n different samples of all tasks but this one (None: of all), or all of them.

        Uniform over the samples of these tasks together.
        """
        rows = self.rows()
        if task is not None:
            rows = rows[self.task_ids(rows) != task]
        return self.at(rows[torch.randperm(len(rows), generator=generator)[:n]])

    @property
    def bytes(self) -> int:
        """Bytes of the sample storage, columns included."""
        return sum(part.nbytes for part in (self.x, self.y, *self.columns.values()))
