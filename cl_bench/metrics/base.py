"""The contract of a metric: a key, a heading, a meaning, and a function of what is on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from cl_bench.config.target import ACCURACY, Measure

# of a run: what came out and what it took; of runs that differ in the order of their tasks
Kind = Literal["accuracy", "cost", "order"]
MISSING = "–"
Unit = Literal["share", "ratio", "count", "bytes", "seconds"]


@dataclass(frozen=True)
class Curve:
    """E tests within tasks and at the end of every stay, in their order.

    ``stay`` (E,) counts from 1, ``batch`` (E,) within it; ``accuracy`` (E, T) is that on the tasks
    seen by then, NaN for the others and what was not tested. The rest is what learning had cost
    the whole run by then, (E,) each.
    """

    stay: np.ndarray
    batch: np.ndarray
    forward_passes: np.ndarray
    backward_passes: np.ndarray
    seconds_train: np.ndarray
    accuracy: np.ndarray

    def __len__(self) -> int:
        return len(self.stay)

    @property
    def places(self) -> np.ndarray:
        """Where each test lies, (E,): stays learned, the batches of a stay as its share."""
        ends = np.array([self.batch[self.stay == stay].max() for stay in self.stay])
        return self.stay - 1 + self.batch / ends

    def until(self, tests: int) -> Curve:
        """The first so many tests."""
        return self.of(slice(tests))

    def of(self, tests: slice | np.ndarray) -> Curve:
        """Some of the tests."""
        return Curve(**{name: getattr(self, name)[tests] for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class Measured:
    """What is on disk of a run.

    ``matrix`` (S+1, T): ``R[0, j]`` is the accuracy of the untrained network on task j, ``R[i, j]``
    that on task j after i stays; the papers' R_{i,j} and b̄_j are ``R[i, j-1]`` and ``R[0, j-1]``.
    What is not known of it is NaN. ``learned`` (S,) is the task of each stay: 0 to T-1 in their
    order (empty stands for that), unless tasks return. ``recorded`` are the numbers that were
    counted while it ran: its costs and the method's own. ``reference`` is the matrix (S+1, T) of
    the joint run on the same stream, None if there is none. ``curve`` are the tests within tasks,
    None if there were none.
    """

    matrix: np.ndarray
    recorded: Mapping[str, float | None] = field(default_factory=dict)
    reference: np.ndarray | None = None
    learned: Sequence[int] = ()
    curve: Curve | None = None

    def __post_init__(self) -> None:
        rows, tasks = self.matrix.shape
        if not len(self.learned):
            object.__setattr__(self, "learned", tuple(range(tasks)))
        if rows != len(self.learned) + 1:
            raise ValueError(f"expected an (S+1, T) accuracy matrix, got {self.matrix.shape}")

    @property
    def first(self) -> np.ndarray:
        """The row (T,) after each task's first stay."""
        return np.array([self.learned.index(task) + 1 for task in range(self.matrix.shape[1])])

    @property
    def last(self) -> np.ndarray:
        """The row (T,) after each task's last stay."""
        back = tuple(reversed(self.learned))
        return np.array([len(back) - back.index(task) for task in range(self.matrix.shape[1])])

    @property
    def acc_task(self) -> float | None:
        """What was recorded of :func:`cl_bench.metrics.accuracies.acc_task`."""
        return self.recorded.get("acc_task")

    @property
    def returns(self) -> list[tuple[int, int]] | None:
        """Row and task of the stays in a task that was learned before; None if there are none."""
        first, stays = self.first, enumerate(self.learned, start=1)
        return [(row, task) for row, task in stays if row != first[task]] or None


@dataclass(frozen=True)
class Metric:
    """``better``: 1 if more is better, -1 if less is, 0 if it is not judged.

    ``of`` takes a :class:`Measured` and gives None where it is undefined; that of kind ``order``
    takes one mapping of task -> final accuracy for each order. ``needs`` names the fields of
    :class:`Measured` that it cannot do without. With ``shown`` a report has it unasked.
    """

    key: str
    heading: str
    meaning: str
    of: Callable[[Any], float | None]
    better: Literal[1, 0, -1] = 0
    kind: Kind = "accuracy"
    unit: Unit = "share"
    shown: bool = False
    needs: tuple[str, ...] = ()


def as_told(metric: Metric, measure: Measure) -> Metric:
    """The metric with the heading and the meaning that it has where the matrix holds ``measure``;
    its value is the same formula."""
    if metric.kind == "cost" or measure is ACCURACY:
        return metric
    heading = metric.heading.replace("ACC", measure.heading)
    return replace(
        metric, heading=heading, meaning=metric.meaning.replace("accuracy", measure.name)
    )


def metric(heading: str, meaning: str, **facts: Any) -> Callable[[Callable], Metric]:
    """Makes a :class:`Metric` of a function; the function's name is its key."""

    def made(function: Callable) -> Metric:
        return Metric(function.__name__, heading, meaning, function, **facts)

    return made


@dataclass(frozen=True)
class Digits:
    """How shares are printed: as they are or in percent, with so many digits after the point."""

    percent: bool = False
    digits: int | None = None

    @property
    def after_point(self) -> int:
        return self.digits if self.digits is not None else 2 if self.percent else 4


AS_IS = Digits()


def form(
    metric: Metric,
    value: float | None,
    spread: float | None = None,
    digits: Digits = AS_IS,
    sign: bool = False,
) -> str:
    """``value``, with ± ``spread`` if there is one, as the metric's unit is printed; a dash for
    what is not there. With ``sign`` it is a difference."""
    if value is None or not math.isfinite(value):
        return MISSING
    if metric.unit == "bytes":
        return ("-" if value < 0 else "+" * sign) + size(abs(value))
    if metric.unit == "count":
        return f"{value:{'+' if sign else ''},.0f}"
    after = {"share": digits.after_point, "ratio": 2, "seconds": 1}[metric.unit]
    scale = 100 if metric.unit == "share" and digits.percent else 1
    text = f"{scale * value:{'+' if sign else ''}.{after}f}"
    if spread is None or not math.isfinite(spread):
        return text
    return f"{text} ± {scale * spread:.{after}f}"


def size(value: float) -> str:
    """Bytes in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.1f} {unit}"
