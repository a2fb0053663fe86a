import copy

import pytest
import torch

from cl_bench.errors import UsageError
from cl_bench.memory.exemplars import Exemplars


def memory(size, trim=True):
    settings = Exemplars.Settings(name="exemplars", size=size, trim=trim)
    return Exemplars(settings, 3, (2,), torch.device("cpu"))


def samples(*labels):
    y = torch.tensor(labels)
    return torch.stack([y.float(), torch.arange(len(y)).float()], 1), y


def test_shares_shrink_and_the_first_of_each_class_stay():
    held = memory(7)
    held.add(*samples(4, 4, 9, 4, 9, 4), 0)
    assert (held.classes, held.counts) == ([4, 9], [3, 2])
    held.add(*samples(1, 1, 1), 1)
    assert (held.classes, held.tasks, held.counts) == ([4, 9, 1], [0, 0, 1], [2, 2, 2])
    x, y = held.x[: len(held)], held.y[: len(held)]
    assert y.tolist() == [4, 4, 9, 9, 1, 1]
    assert held.positions().tolist() == [0, 0, 1, 1, 2, 2]
    assert held.task_ids(held.rows()).tolist() == [0, 0, 0, 0, 1, 1]
    assert held.task_ids(torch.tensor([5, 0])).tolist() == [1, 0]
    assert x[:, 1].tolist() == [0, 1, 2, 4, 0, 1]
    assert torch.equal(x[:, 0], y.float())


def test_it_never_holds_more_than_its_size():
    held = memory(10)
    for task in range(5):
        held.add(*samples(*[2 * task] * 10, *[2 * task + 1] * 10), task)
        assert len(held) <= 10
    assert held.counts == [1] * 10


def test_without_trimming_older_classes_keep_theirs_and_it_grows():
    held = memory(10, trim=False)
    for task in range(5):
        held.add(*samples(*[2 * task] * 10, *[2 * task + 1] * 10), task)
    assert held.counts == [5, 5, 2, 2, 1, 1, 1, 1, 1, 1]
    x, y = held.x[: len(held)], held.y[: len(held)]
    assert y.tolist() == [
        c for c, n in zip(held.classes, held.counts, strict=True) for _ in range(n)
    ]
    assert torch.equal(x[:, 0], y.float())
    other = memory(10, trim=False)
    other.load_state_dict(copy.deepcopy(held.state_dict()))
    assert torch.equal(other.x, held.x)
    assert len(other) == len(held)


def test_a_class_arrives_once():
    held = memory(10)
    held.add(*samples(0, 1), 0)
    with pytest.raises(UsageError, match="class 1 already"):
        held.add(*samples(1, 2), 1)


def test_state_goes_round():
    held, other = memory(7), memory(7)
    held.add(*samples(4, 4, 9), 0)
    other.load_state_dict(copy.deepcopy(held.state_dict()))
    for each in (held, other):
        each.add(*samples(1, 1, 1), 1)
    assert torch.equal(held.x, other.x)
    assert torch.equal(held.y, other.y)
    assert (held.classes, held.counts) == (other.classes, other.counts)
    assert held.bytes == 7 * (2 * 4 + 8)
