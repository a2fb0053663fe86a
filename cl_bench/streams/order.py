"""What happens to the tasks of a stream after they are made: order, reserve, hold out, blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.rng import generator

if TYPE_CHECKING:
    from cl_bench.streams.task import StreamSettings, Task

# The task orders of Yoon et al. 2020 (APD, arXiv:1902.09432), from the authors' code: for the
# 10 tasks of CIFAR-100 Split and the 20 of CIFAR-100 Superclass.
ORDERS = {
    10: {
        "A": [*range(10)],
        "B": [1, 7, 4, 5, 2, 0, 8, 6, 9, 3],
        "C": [7, 0, 5, 1, 8, 4, 3, 6, 2, 9],
        "D": [5, 8, 2, 9, 0, 4, 3, 7, 6, 1],
        "E": [2, 9, 5, 4, 8, 0, 6, 1, 3, 7],
    },
    20: {
        "A": [*range(20)],
        "B": [15, 12, 5, 9, 7, 16, 18, 17, 1, 0, 3, 8, 11, 14, 10, 6, 2, 4, 13, 19],
        "C": [17, 1, 19, 18, 12, 7, 6, 0, 11, 15, 10, 5, 13, 3, 9, 16, 4, 14, 2, 8],
        "D": [11, 9, 6, 5, 12, 4, 0, 10, 13, 7, 14, 3, 15, 16, 8, 1, 2, 19, 18, 17],
        "E": [6, 14, 0, 11, 12, 17, 13, 4, 9, 1, 7, 19, 8, 10, 3, 15, 18, 5, 2, 16],
    },
}


def arrange(tasks: Sequence[Task], labels: Tensor, settings: StreamSettings) -> tuple[Task, ...]:
    """What is learned, stay after stay; ``labels`` (N,) are those of the training rows.

    Samples were drawn by identity before, so that a task has the same samples in every order, and
    in every stay.
    """
    order = task_order(len(tasks), settings)
    if len(set(order)) < len(order):
        for key, without in (("blur", 0), ("tune_tasks", 0)):
            if getattr(settings, key):
                raise UsageError(
                    f"dataset.order={order}: tasks return, which dataset.{key} cannot be combined "
                    f"with; set dataset.{key}={without}"
                )
    chosen = [tasks[identity] for identity in order]
    chosen = reserve(chosen, settings)
    chosen = [hold_out(task, settings.validation) for task in chosen]
    if settings.blur:
        chosen = blur(chosen, labels, settings)
    index: dict[int, int] = {}
    visits: dict[int, int] = {}
    stays = []
    for stay, task in enumerate(chosen):
        place = index.setdefault(task.identity, len(index))
        visit = visits[place] = visits.get(place, -1) + 1
        stays.append(replace(task, index=place, stay=stay, visit=visit))
    return tuple(stays)


def task_order(count: int, settings: StreamSettings) -> list[int]:
    """Task identities in the order in which they are learned; some may return."""
    order = settings.order
    if settings.order_seed is not None:
        if order is not None:
            raise UsageError("dataset.order and dataset.order_seed are both set; set one to null")
        shuffle = generator(settings.order_seed, "task order")
        return torch.randperm(count, generator=shuffle).tolist()
    if order is None:
        return list(range(count))
    if isinstance(order, str):
        if count not in ORDERS:
            raise UsageError(
                f"dataset.order={order}: the named orders are for 10 or 20 tasks, this stream has "
                f"{count}; give a list of task numbers or dataset.order_seed"
            )
        return ORDERS[count][order]
    if sorted(set(order)) != list(range(count)):
        raise UsageError(
            f"dataset.order={order}: must name each of the tasks 0 to {count - 1}, and may name "
            "one again"
        )
    return order


def reserve(tasks: list[Task], settings: StreamSettings) -> list[Task]:
    """Without the tasks that are for tuning only, or those alone.

    Source: Chaudhry et al. 2019 (A-GEM, arXiv:1812.00420), section 3: hyper-parameters are chosen
    on the first 3 of 20 tasks, the other 17 are learned and measured.
    """
    k = settings.tune_tasks
    if k >= len(tasks):
        raise UsageError(
            f"dataset.tune_tasks={k}: leaves none of {len(tasks)} tasks to learn; reserve fewer"
        )
    if settings.phase == "learn":
        return tasks[k:]
    if k == 0:
        raise UsageError("dataset.phase=tune: no tasks are reserved; set dataset.tune_tasks")
    return tasks[:k]


def hold_out(task: Task, share: float) -> Task:
    """The last ``share`` of the task's samples, which are in random order, become validation."""
    if not share:
        return task
    kept = len(task.train) - int(share * len(task.train))
    if not 2 <= kept <= len(task.train) - 2:
        raise UsageError(
            f"dataset.validation={share}: of {len(task.train)} samples it leaves {kept} for "
            "training; choose a share that leaves some on both sides"
        )
    return replace(task, train=task.train[:kept], validation=task.train[kept:])


def blur(tasks: list[Task], labels: Tensor, settings: StreamSettings) -> list[Task]:
    """Neighbouring tasks exchange samples: half of ``blur`` of the smaller one at each boundary.

    Every sample stays in the stream once and keeps the transform of the task it came from.
    """
    train = [task.train.clone() for task in tasks]
    task_ids = [torch.full((len(task.train),), task.identity) for task in tasks]
    for left in range(len(tasks) - 1):
        right = left + 1
        n = int(settings.blur / 2 * min(len(train[left]), len(train[right])))
        if n == 0:
            continue
        for values in (train, task_ids):
            values[left][-n:], values[right][:n] = (
                values[right][:n].clone(),
                values[left][-n:].clone(),
            )
    changed = []
    for task, rows, task_id in zip(tasks, train, task_ids, strict=True):
        classes = task.classes
        if not labels.is_floating_point():  # numbers have none
            others = labels[rows[task_id != task.identity].to(labels.device)]
            classes = tuple(sorted({*classes, *others.unique().tolist()}))
        changed.append(replace(task, train=rows, task_ids=task_id, classes=classes))
    return changed
