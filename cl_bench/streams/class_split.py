"""Class splits: every task shows the images of its own classes.

Sources: Lopez-Paz & Ranzato 2017, section 4 (CIFAR-100 in 20 tasks of 5 labels); Yoon et al. 2020
(superclasses); van de Ven & Tolias 2019 (arXiv:1904.07734) for the three scenarios.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.rng import generator
from cl_bench.streams.base import Stream
from cl_bench.streams.task import StreamSettings, Task, Transform, names_or_numbers
from cl_bench.streams.transforms import Plain, Scrambled


@dataclass(frozen=True)
class Parts:
    """Names and dataset labels of every task, and the task (N,) of every sample (-1: none)."""

    names: list[str]
    labels: list[list[int]]
    train: Tensor
    test: Tensor


class ClassSplit(Stream):
    """The classes of one dataset, or its given tasks, one after the other.

    ``split``: ``classes`` cuts ``class_order``, or its first ``classes`` entries, into ``tasks``
    equal parts, ``superclasses`` makes a task of each group of classes that the dataset has
    (Omniglot's are its alphabets), ``tasks`` takes the tasks that an own dataset gives; None:
    what the dataset gives, else classes.

    Outputs of the network: in the scenarios ``task`` and ``class`` one per class, in class order,
    so that a task's outputs are neighbours; in ``domain`` the labels are renumbered within each
    task and there are as many outputs as the largest task has classes.

    ``layout``: ``image`` shows the images as they are, ``scrambled`` colour images with their
    numbers in the order in which APD's authors read them.
    """

    class Settings(StreamSettings):
        tasks: int | None = Field(ge=1, le=10_000, description="T, tasks of the stream")
        split: Literal["classes", "superclasses", "tasks"] | None = Field(
            description="what makes a task: as many classes each, a superclass, or a given task"
        )
        class_order: Annotated[str | list[int], names_or_numbers("natural", "seeded")]
        classes: int | None = Field(ge=1)
        # only the datasets that it is for name it
        layout: Literal["image", "scrambled"] = Field(
            default="image", description="scrambled: colour images as APD's authors read them"
        )

    settings: Settings
    transform: ClassVar[Transform] = Plain()

    def make_tasks(self) -> Iterator[Task]:
        parts, transform = self._parts(), self._transform()
        outputs = self._outputs(parts)
        self._labels: list[dict[int, int]] = []  # output -> label of the dataset, for every task
        for identity, (name, labels) in enumerate(zip(parts.names, parts.labels, strict=True)):
            lookup = torch.full((self.data.classes,), -1)
            lookup[labels] = torch.tensor(outputs[identity])
            train = (parts.train == identity).nonzero().flatten()
            test = (parts.test == identity).nonzero().flatten().to(self.test.labels.device)
            if not len(train) or not len(test):
                raise UsageError(
                    f"{self.settings.name}: {name} has {len(train)} training and {len(test)} test "
                    "samples; every task needs some of both"
                )
            self._relabel(train, test, lookup.to(self.train.labels.device), name)
            self._labels.append(dict(zip(outputs[identity], labels, strict=True)))
            yield Task(
                index=identity,
                identity=identity,
                name=name,
                classes=tuple(sorted(outputs[identity])),
                transform=transform,
                train=self.draw_samples(identity, train),
                test=test,
            )

    def labels_of(self, task: Task) -> tuple[int, ...]:
        # an output of the other tasks: in the scenario `domain` it stands for nothing in this one
        others = {} if self.settings.scenario == "domain" else dict(ChainMap(*self._labels))
        known = others | self._labels[task.identity]
        return tuple(known.get(output, -1) for output in range(self.classes))

    def _transform(self) -> Transform:
        if self.settings.layout == "image":
            return self.transform
        if len(self.input_shape) != 3:
            raise UsageError(
                f"dataset.layout=scrambled: is for colour images, those of {self.data.name} are "
                f"{'x'.join(map(str, self.input_shape))}; set it to image"
            )
        return Scrambled()

    def _relabel(self, train: Tensor, test: Tensor, lookup: Tensor, name: str) -> None:
        """Dataset labels become network outputs; a sample belongs to one task, so once."""
        for split, rows in ((self.train, train.to(self.train.labels.device)), (self.test, test)):
            found = lookup[split.labels[rows]]
            if (found < 0).any():
                wrong = split.labels[rows][found < 0][0].item()
                raise UsageError(
                    f"{self.settings.name}: {name} tests label {wrong} but has no "
                    "training sample of it"
                )
            split.labels[rows] = found

    def _outputs(self, parts: Parts) -> list[list[int]]:
        """For every task the outputs of its labels; sets the number of outputs."""
        if self.settings.scenario == "domain":
            self.classes = max(map(len, parts.labels))
            return [list(range(len(labels))) for labels in parts.labels]
        numbers: dict[int, int] = {}
        for labels in parts.labels:
            for label in labels:
                numbers.setdefault(label, len(numbers))
        self.classes = len(numbers)
        return [[numbers[label] for label in labels] for labels in parts.labels]

    def _parts(self) -> Parts:
        given = self.data.train_tasks is not None
        split = self.settings.split or ("tasks" if given else "classes")
        if split == "tasks":
            return self._given_tasks()
        groups = self._class_groups() if split == "classes" else self._superclass_groups()
        task_of = torch.full((self.data.classes,), -1)
        for identity, labels in enumerate(groups.values()):
            task_of[labels] = identity
        train = task_of[torch.as_tensor(self.data.train_labels)]
        test = task_of[torch.as_tensor(self.data.test_labels)]
        return Parts(list(groups), list(groups.values()), train, test)

    def _class_groups(self) -> dict[str, list[int]]:
        tasks, order = self.settings.tasks, self._class_order()
        if tasks is None:
            raise UsageError("dataset.tasks=null: give the number of tasks to split the classes in")
        count = self.settings.classes or len(order)
        if count > len(order):
            raise UsageError(
                f"dataset.classes={count}: {self.data.name} has only {len(order)} classes"
            )
        if count % tasks:
            raise UsageError(
                f"dataset.tasks={tasks}: does not divide {count} classes of {self.data.name} "
                f"equally; choose one of {', '.join(map(str, _divisors(count)))}"
            )
        size = count // tasks
        groups = [order[start : start + size] for start in range(0, count, size)]
        return {self._name(labels): labels for labels in groups}

    def _superclass_groups(self) -> dict[str, list[int]]:
        groups, names = self.data.class_groups, self.data.group_names
        if groups is None:
            raise UsageError(
                f"dataset.split=superclasses: {self.data.name} has none; choose split=classes"
            )
        self._refuse_class_options("superclasses")
        if self.settings.tasks not in (None, len(names)):
            raise UsageError(
                f"dataset.tasks={self.settings.tasks}: {self.data.name} has {len(names)} "
                "superclasses; set that or null"
            )
        return {name: (groups == group).nonzero()[0].tolist() for group, name in enumerate(names)}

    def _given_tasks(self) -> Parts:
        train, test = self.data.train_tasks, self.data.test_tasks
        if train is None or test is None:
            raise UsageError(
                f"dataset.split=tasks: {self.data.name} gives no tasks; add t_train and t_test or "
                "choose dataset.split=classes"
            )
        count = int(train.max()) + 1
        if self.settings.tasks not in (None, count):
            raise UsageError(
                f"dataset.tasks={self.settings.tasks}: {self.data.name} gives {count} tasks; set "
                "that or null"
            )
        self._refuse_class_options("tasks")
        train, test = torch.as_tensor(train), torch.as_tensor(test)
        owned = torch.as_tensor(self.data.train_labels)
        labels = [owned[train == task].unique().tolist() for task in range(count)]
        names = self.data.task_names or [f"t={task}" for task in range(count)]
        return Parts(list(names), labels, train, test)

    def _refuse_class_options(self, split: str) -> None:
        for key, default in (("class_order", "natural"), ("classes", None)):
            if getattr(self.settings, key) != default:
                raise UsageError(
                    f"dataset.{key}: has no meaning with dataset.split={split}, which fixes the "
                    "classes of each task; use dataset.order to order the tasks"
                )

    def _name(self, labels: Sequence[int]) -> str:
        if self.data.class_names:
            return ", ".join(self.data.class_names[label] for label in labels)
        return _name(labels)

    def _class_order(self) -> list[int]:
        order, count = self.settings.class_order, self.data.classes
        if order == "natural":
            return list(range(count))
        if order == "seeded":
            draw = generator(self.settings.seed, "tasks", "class order")
            return torch.randperm(count, generator=draw).tolist()
        if sorted(order) != list(range(count)):
            raise UsageError(
                f"dataset.class_order: must be natural, seeded or a list that names each of the "
                f"classes 0 to {count - 1} exactly once"
            )
        return [*map(int, order)]


def _name(labels: Sequence[int]) -> str:
    first, last = labels[0], labels[-1]
    if len(labels) > 1 and list(labels) == list(range(first, last + 1)):
        return f"classes {first}-{last}"
    return f"class{'es' if len(labels) > 1 else ''} {' '.join(map(str, labels))}"


def _divisors(count: int) -> list[int]:
    return [tasks for tasks in range(1, count + 1) if count % tasks == 0]
