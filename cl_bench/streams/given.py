"""The tasks that a dataset gives, with numbers as targets."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field

from cl_bench.errors import UsageError
from cl_bench.streams.base import Stream
from cl_bench.streams.task import StreamSettings, Task
from cl_bench.streams.transforms import Plain


class Given(Stream):
    """Each given task's inputs as they are; all tasks have the same outputs, one for each number
    of a target."""

    class Settings(StreamSettings):
        tasks: int | None = Field(ge=1, le=10_000, description="T; null: as many as there are")

    settings: Settings
    shares_classes = True
    targets = frozenset({"regression"})

    def make_tasks(self) -> Iterator[Task]:
        train, test = self.data.train_tasks, self.data.test_tasks
        if train is None or test is None:
            raise UsageError(
                f"dataset={self.settings.name}: {self.data.name} gives no tasks; add t_train and "
                "t_test"
            )
        count = int(train.max()) + 1
        if self.settings.tasks not in (None, count):
            raise UsageError(
                f"dataset.tasks={self.settings.tasks}: {self.data.name} gives {count} tasks; set "
                "that or null"
            )
        names = self.data.task_names or [f"t={task}" for task in range(count)]
        for identity, name in enumerate(names):
            mine = [torch.from_numpy((part == identity).nonzero()[0]) for part in (train, test)]
            if not all(map(len, mine)):
                raise UsageError(
                    f"{self.settings.name}: {name} has {len(mine[0])} training and {len(mine[1])} "
                    "test samples; every task needs some of both"
                )
            yield Task(
                index=identity,
                identity=identity,
                name=name,
                classes=tuple(range(self.classes)),
                transform=Plain(),
                train=self.draw_samples(identity, mine[0]),
                test=mine[1].to(self.test.labels.device),
            )
