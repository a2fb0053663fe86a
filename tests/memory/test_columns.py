"""Columns beside the samples, in every memory that moves its samples about."""

from __future__ import annotations

import torch

from cl_bench.memory.class_ring import ClassRing
from cl_bench.memory.exemplars import Exemplars
from cl_bench.memory.ring import Ring

CPU = torch.device("cpu")


def batch(labels):
    y = torch.tensor(labels)
    return y[:, None].float(), y, {"mark": 10.0 * y[:, None]}


def check(memory):
    found = memory.at(memory.rows())
    assert torch.equal(found.mark[:, 0], 10.0 * found.y)
    assert torch.equal(found.x[:, 0], found.y.float())
    return found


def test_a_growing_ring_moves_them_with_the_samples():
    settings = Ring.Settings(name="ring", size=12, tasks="growing", authors_cursor=False)
    memory = Ring(settings, 4, (1,), CPU)
    memory.column("mark", 1)
    for task in range(4):
        for start in range(0, 20, 5):
            x, y, columns = batch([100 * task + start + i for i in range(5)])
            memory.add(x, y, task, **columns)
    found = check(memory)
    assert torch.equal(found.task_ids, found.y // 100)
    assert sorted(found.y.tolist()) == [100 * t + s for t in range(4) for s in (17, 18, 19)]


def test_a_class_ring_and_exemplars():
    ring = ClassRing(ClassRing.Settings(name="class_ring", size=8, classes=2), 2, (1,), CPU)
    ring.column("mark", 1)
    for task in range(2):
        for _ in range(3):
            x, y, columns = batch([task, task + 5, task])
            ring.add(x, y, task, **columns)
    check(ring)
    kept = Exemplars(Exemplars.Settings(name="exemplars", size=6), 2, (1,), CPU)
    kept.column("mark", 1)
    for labels in ([0, 1, 0, 1], [2, 3, 2]):
        x, y, columns = batch(labels)
        kept.add(x, y, 0, **columns)
    assert check(kept).y.tolist() == [0, 1, 2, 3]


def test_state_holds_them():
    settings = Ring.Settings(name="ring", size=4, tasks="known", authors_cursor=False)
    one, other = Ring(settings, 2, (1,), CPU), Ring(settings, 2, (1,), CPU)
    for memory in (one, other):
        memory.column("mark", 1)
    x, y, columns = batch([3, 4])
    one.add(x, y, 0, **columns)
    other.load_state_dict(one.state_dict())
    assert check(other).y.tolist() == [3, 4]
