"""The test accuracy, or R², on the tasks of a stream; blocks of samples go to the run's threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cl_bench.errors import Diverged
from cl_bench.network.linear_stack import Fan, Forward, LinearStack
from cl_bench.rng import generator
from cl_bench.run.build import Run
from cl_bench.streams.split import Block
from cl_bench.streams.task import Task
from cl_bench.streams.transforms import to_unit

# the outputs of a fan's first layer, which stay in a core's cache for a block of images, and the
# weights of the fans that are made at a time
FAN_OUTPUTS, FAN_WEIGHTS = 400, 2**23


Row = list[float | None]


def measure(run: Run, stays: int, before: Row | None = None, within: bool = False) -> Row:
    """The row of the accuracy matrix after so many ``stays``, (T,); None for what is not measured.

    ``before`` is the row above it: what it has of a task whose answers cannot have changed since
    then is not measured again. ``within`` the last of the stays it is about the tasks seen alone.
    """
    latest = run.stream.stays[stays - 1]
    asked = _chosen(run, stays) & _seen(run, stays) if within else _asked(run, stays)
    values: Row = [None] * len(run.stream.tasks)
    moved = []
    for task in run.stream.tasks:
        if task.index not in asked:
            continue
        # among classes that are more than before, equal outputs are another answer
        same = before is not None and run.scenario.kind != "class"
        if same and before[task.index] is not None and not run.method.moves(latest, task):
            values[task.index] = before[task.index]
        else:
            moved.append(task)
    accuracy = evaluate(run, moved)
    for task in moved:
        values[task.index] = float(accuracy[task.index])
    return values


def mean_seen(run: Run, stays: int, row: Row) -> float:
    """The mean of ``row`` over the tasks seen in so many stays, of what was measured of them."""
    known = [row[index] for index in _seen(run, stays) if row[index] is not None]
    return sum(known) / len(known)


def only_seen(run: Run, stays: int, row: Row) -> Row:
    """``row`` without what it has of the tasks that so many stays have not seen."""
    seen = _seen(run, stays)
    return [value if index in seen else None for index, value in enumerate(row)]


def batches_to_test(run: Run, task: Task) -> set[int]:
    """The batches of the task after which there are tests within it; the last is its end."""
    every, count = run.cfg.evaluate_every, run.stream.batches(task)
    if every is None:
        return set()
    if isinstance(every, int):
        return set(range(every, count, every))
    places = {one if isinstance(one, int) else max(1, round(one * count)) for one in every}
    return {place for place in places if place < count}


def _asked(run: Run, stays: int) -> set[int]:
    """The tasks whose accuracy belongs into the row after so many stays."""
    everything = {task.index for task in run.stream.tasks}
    return everything if stays == len(run.stream.stays) else _chosen(run, stays)


def _chosen(run: Run, stays: int) -> set[int]:
    """Those that ``evaluate`` and ``evaluate_tasks`` ask for."""
    everything = {task.index for task in run.stream.tasks}
    latest = {run.stream.stays[stays - 1].index} if stays else set()
    kinds = {"all": everything, "seen": _seen(run, stays), "last": latest}
    asked, some = kinds[run.cfg.evaluate], run.cfg.evaluate_tasks
    if some is None:
        return asked
    # the same whatever the seed, so that runs can be averaged
    drawn = torch.randperm(len(everything), generator=generator(0, "evaluation"))[:some]
    return asked & set(drawn.tolist()) | latest


def _seen(run: Run, stays: int) -> set[int]:
    return {stay.index for stay in run.stream.stays[:stays]}


@torch.inference_mode()
def evaluate(run: Run, tasks: Sequence[Task] | None = None) -> np.ndarray:
    """Test accuracy (of numbers R²) on every task of the stream, float64 (T,), in evaluation mode.

    On ``tasks`` alone where they are given; it is NaN for the others.
    """
    run.method.train(False)
    tasks = run.stream.tasks if tasks is None else tasks
    tallies: dict[int, Tensor] = {}
    together: dict[Any, list[tuple[Task, Tensor]]] = {}
    for task in tasks:
        answers = run.method.answers(run.scenario.in_tests(task))
        folded = None if run.scenario.numbers else _folded(task, answers)
        if folded is None:
            tallies[task.index] = _tally(run, task, answers)
        else:
            together.setdefault(answers, []).append((task, folded))
    for fans in _fans(run, together):
        tallies |= _right_together(run, fans)
    accuracy = np.full(len(run.stream.tasks), np.nan)
    # all at once: a GPU is waited for once
    known = torch.stack([tallies[task.index] for task in tasks]).tolist() if tasks else []
    for task, tally in zip(tasks, known, strict=True):
        labels = run.stream.test.labels
        labels = labels if task.test is None else labels[task.test]
        accuracy[task.index] = run.scenario.score(tally, labels)
        if not math.isfinite(accuracy[task.index]):
            raise Diverged(
                f"the outputs for {task.name} are no longer finite; {run.method.advice()}"
            )
    return accuracy


def in_heads(run: Run) -> Run:
    """The run as its tests would be in the scenario ``task``: the same outputs, of which the
    task's alone count."""
    return replace(run, scenario=run.scenario.multi_head())


def _tally(run: Run, task: Task, answers: Callable[[Tensor], Tensor] | None) -> Tensor:
    """How well the test samples of the task are answered, as the scenario counts it."""
    test, told = run.stream.test, run.scenario.in_tests(task)

    def tally(rows: slice | Tensor) -> Tensor:
        x = task.transform(test, rows)
        if answers is None:
            logits = run.method.logits(x, told)
        elif isinstance(answers, LinearStack):
            logits = Forward(answers, run.precision)(x.flatten(1)).outputs
        else:
            logits = answers(x)
        return run.scenario.tally(logits, test.labels[rows], task.index)

    blocks = run.stream.test_rows(task)
    # a method that promises nothing is not asked by several threads at a time
    found = map(tally, blocks) if answers is None else run.workers.map(tally, blocks)
    return reduce(torch.add, found)


def _folded(task: Task, answers: object) -> Tensor | None:
    """The weight of a stack's first layer for images that are not shown the task's way, if it can
    look at these: then all tasks are tested on the same inputs."""
    if isinstance(answers, LinearStack) and task.test is None:
        return task.transform.folded(answers.layers[0].weight)
    return None


Fans = list[tuple[Fan, list[Task]]]


def _fans(run: Run, together: dict[LinearStack, list[tuple[Task, Tensor]]]) -> Iterator[Fans]:
    """Stacks with the tasks that they answer; as many at a time as there is room for."""
    fans: Fans = []
    room = FAN_WEIGHTS
    for stack, members in together.items():
        some = max(1, FAN_OUTPUTS // len(members[0][1]))
        for start in range(0, len(members), some):
            tasks, weights = zip(*members[start : start + some], strict=True)
            fans.append((Fan(stack, weights, run.precision), list(tasks)))
            room -= sum(weight.numel() for weight in weights)
            if room <= 0:
                yield fans
                fans, room = [], FAN_WEIGHTS
    if fans:
        yield fans


def _right_together(run: Run, fans: Fans) -> dict[int, Tensor]:
    """How many images of the whole test set are answered right in each task, by its index."""
    tasks = [task for _, members in fans for task in members]

    def right(block: Block) -> Tensor:
        x = to_unit(block.images)
        found = []
        for fan, members in fans:
            logits = fan(x, block.columns)
            logits = run.scenario.mask(logits, torch.tensor([task.index for task in members]))
            found.append((logits.argmax(2) == block.labels[:, None]).sum(0))
        return torch.cat(found)

    counts = reduce(torch.add, run.workers.map(right, run.stream.test.blocks))
    return {task.index: count for task, count in zip(tasks, counts, strict=True)}
