"""A ring per class of every task, and drawing from rings of either kind."""

from __future__ import annotations

import pytest
import torch

from cl_bench.errors import RunError, UsageError
from cl_bench.memory.class_ring import ClassRing
from cl_bench.memory.ring import Ring
from cl_bench.rng import generator

CPU = torch.device("cpu")


def class_ring(size: int, tasks: int = 2, classes: int = 2) -> ClassRing:
    return ClassRing(
        ClassRing.Settings(name="class_ring", size=size, classes=classes), tasks, (1,), CPU
    )


def held(memory: ClassRing | Ring, task: int) -> list[float]:
    rows = memory.rows()
    return sorted(memory.x[rows[memory.task_ids(rows) == task], 0].tolist())


def test_it_holds_the_last_samples_of_each_class_of_each_task():
    memory = class_ring(12)  # 3 of each class and task
    labels = torch.tensor([0, 1, 0, 0, 0, 1, 0])
    memory.add(torch.arange(7.0)[:, None], labels, 0)
    assert held(memory, 0) == [1.0, 3.0, 4.0, 5.0, 6.0]
    assert len(memory) == 5
    memory.add(torch.tensor([[10.0], [11.0]]), torch.tensor([1, 1]), 1)
    memory.add(torch.tensor([[12.0]]), torch.tensor([7]), 1)
    assert held(memory, 1) == [10.0, 11.0, 12.0]
    assert held(memory, 0) == [1.0, 3.0, 4.0, 5.0, 6.0]


def test_a_batch_is_kept_like_its_samples_one_by_one():
    x, y = torch.arange(50.0)[:, None], torch.randint(2, (50,), generator=generator(0))
    single, batched = class_ring(16), class_ring(16)
    batched.add(x, y, 0)
    for i in range(50):
        single.add(x[i : i + 1], y[i : i + 1], 0)
    assert held(single, 0) == held(batched, 0)
    assert len(held(single, 0)) == 8


def test_a_restored_class_ring_goes_on_as_the_original():
    x, y = torch.arange(30.0)[:, None], torch.randint(2, (30,), generator=generator(0))
    memory, restored = class_ring(16), class_ring(16)
    memory.add(x[:17], y[:17], 1)
    restored.load_state_dict(memory.state_dict())
    for each in (memory, restored):
        each.add(x[17:], y[17:], 1)
    assert torch.equal(memory.x, restored.x)
    assert torch.equal(memory.rows(), restored.rows())


def test_too_small_a_size_and_too_many_classes_are_told():
    with pytest.raises(UsageError, match="at least 4"):
        class_ring(3)
    with pytest.raises(RunError, match=r"memory\.classes=2"):
        class_ring(8).add(torch.zeros(3, 1), torch.arange(3), 0)


@pytest.mark.parametrize(
    ("tasks", "authors_cursor"), [("known", False), ("known", True), ("growing", False)]
)
def test_a_ring_offers_exactly_what_it_holds(tasks, authors_cursor):
    settings = Ring.Settings(name="ring", size=12, tasks=tasks, authors_cursor=authors_cursor)
    ring = Ring(settings, 3, (1,), CPU)
    assert len(ring.rows()) == len(ring) == 0
    for task, count in enumerate((5, 2)):
        for i in range(count):
            number = 10 * task + i
            ring.add(torch.tensor([[float(number)]]), torch.tensor([number]), task)
    share = ring.share
    assert held(ring, 0) == [float(i) for i in range(5)][-share:]
    assert held(ring, 1) == [10.0, 11.0]
    found = ring.sample(len(ring), generator(0))
    x, y, task_ids = found.x, found.y, found.task_ids
    assert sorted(y.tolist()) == sorted(held(ring, 0) + held(ring, 1))
    assert torch.equal(x[:, 0].long(), y)
    assert torch.equal(task_ids, (y >= 10).long())
