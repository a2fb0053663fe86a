"""What a task is, and what may be set of a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from cl_bench.config.schema import Section
from cl_bench.streams.split import Split

UNKNOWN = -1  # index of a task that nobody tells


class Transform(ABC):
    """How the images of a task are shown."""

    @abstractmethod
    def __call__(self, split: Split, rows: slice | Tensor) -> Tensor:
        """float32 inputs (n, *input_shape) of those rows."""

    @abstractmethod
    def describe(self) -> bytes:
        """Everything that the transform depends on, for the stream's checksum."""

    def folded(self, weight: Tensor) -> Tensor | None:
        """W A (H, D) for ``weight`` W (H, D), where the shown inputs are A x.

        x are the images in [0, 1] as they are, flat: W (A x) = (W A) x, so that a linear layer can
        look at them unshown. None if they are not shown by a linear map.
        """
        return None


@dataclass(frozen=True)
class Task:
    """One task: ``index`` is its place among the tasks, by when each is learned first;
    ``identity`` is independent of the order. A task that returns is the same task in another
    ``stay``, which is the place in all that is learned; ``visit`` counts the stays before it.

    ``classes`` are the network outputs that belong to it, ``train`` and ``test`` the rows of the
    dataset that it uses (None: all of them), ``validation`` training rows that are held out.
    ``task_ids`` (None: the task itself) says for every training row by which identity's transform
    it is shown.
    """

    index: int
    identity: int
    name: str
    classes: tuple[int, ...]
    transform: Transform
    train: Tensor
    test: Tensor | None = None
    validation: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    task_ids: Tensor | None = None
    stay: int = 0
    visit: int = 0


def names_or_numbers(*names: str | None) -> BeforeValidator:
    """Check of an option that is one of the names or a list of whole numbers."""

    def check(value: object) -> object:
        if isinstance(value, list):
            if all(type(number) is int for number in value):
                return value
        elif value in names:
            return value
        known = ", ".join("null" if name is None else name for name in names)
        raise ValueError(f"must be {known} or a list of whole numbers")

    return BeforeValidator(check)


def index_of(task: Task | None) -> int:
    """The task's index; :data:`UNKNOWN` where nobody tells which task it is."""
    return UNKNOWN if task is None else task.index


def task_ids(y: Tensor, index: int) -> Tensor:
    """``index`` for each of the samples with the targets y (n, ...), int64 (n,)."""
    return torch.full((len(y),), index, device=y.device)


class StreamSettings(Section):
    """``samples_per_task`` None: all; ``seed`` draws the tasks, the run's seed the sample order.

    ``task_identity``: the task is known in training and in tests, in training only, or nowhere.
    ``read`` are the options of the dataset's own ``load``. ``normalize`` brings the inputs to one
    scale, measured on the training samples of the first task or of all tasks (``statistics``).
    """

    source: str
    path: str | None
    stream: str = Field(description="what the tasks are made by: a file in streams/")
    scenario: Literal["domain", "task", "class"] = Field(
        description="outputs that count: all (domain), the task's, or those of all classes so far"
    )
    # only the streams of numbers name it
    target: Literal["classes", "regression"] = Field(
        default="classes",
        description="classes: cross-entropy, the matrix holds accuracies; regression: numbers, "
        "mean squared error, the matrix holds R²",
    )
    # only the streams of a protocol that has it so name it
    loss_outputs: Literal["scenario", "all"] = Field(
        default="scenario",
        description="outputs of the loss while learning: those of the scenario, or all; tests have "
        "the scenario's in any case",
    )
    augment: Literal["none", "crop_flip"] = Field(
        default="none",
        description="pictures while learning: as they are, or cropped from a border and mirrored",
    )
    # runs recorded before it was a choice lack it, and were always told
    task_identity: Literal["test", "train", "none"] = "test"
    tasks: int = Field(ge=1, le=10_000, description="T, tasks of the stream")
    samples_per_task: int | None = Field(ge=1)
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    validation: float = Field(ge=0, lt=1)
    blur: float = Field(ge=0, le=1)
    order: Annotated[str | list[int] | None, names_or_numbers(None, *"ABCDE")]
    order_seed: int | None = Field(ge=0, lt=2**63)
    tune_tasks: int = Field(ge=0)
    phase: Literal["learn", "tune"]
    seed: int = Field(ge=0, lt=2**63)
    # of own data alone, whose files name them
    read: dict[str, Any] = Field(default_factory=dict)
    normalize: Literal["none", "standardize", "minmax", "center"] = Field(
        default="none",
        description="inputs brought to mean 0 and deviation 1, or to [0, 1]; center: less the mean "
        "sample",
    )
    statistics: Literal["first_task", "training"] = Field(
        default="first_task", description="the training samples that normalize is measured on"
    )
