import pytest
import torch

from cl_bench.config.schema import check
from cl_bench.errors import UsageError
from cl_bench.memory.ring import Ring

CPU = torch.device("cpu")


def ring(size, tasks, kind="known", authors=False):
    values = {"name": "ring", "size": size, "tasks": kind, "authors_cursor": authors}
    return Ring(check(values, Ring.Settings), tasks, (2,), CPU)


def feed(memory, task, first, last, batch):
    """Samples x = (n, n), y = n for n in [first, last), in batches."""
    for start in range(first, last, batch):
        n = torch.arange(start, min(start + batch, last))
        memory.add(n[:, None].expand(-1, 2).float(), n, task)


def held(memory, tasks, task):
    x, y, counts = memory.blocks(range(tasks))
    n = counts[task]
    assert torch.equal(x[task, :n, 0].long(), y[task, :n])
    return sorted(y[task, :n].tolist())


@pytest.mark.parametrize("batch", [1, 3, 7, 10, 25])
def test_the_last_m_samples_of_each_task_are_kept(batch):
    memory = ring(14, 2)
    feed(memory, 0, 0, 25, batch)
    feed(memory, 1, 100, 105, batch)
    assert held(memory, 2, 0) == list(range(18, 25))
    assert held(memory, 2, 1) == list(range(100, 105))
    assert memory.blocks(range(2))[2] == [7, 5]


def test_growing_shares_shrink_and_keep_the_newest():
    memory = ring(12, 4, kind="growing")
    feed(memory, 0, 0, 20, 5)
    assert held(memory, 1, 0) == list(range(8, 20))
    feed(memory, 1, 100, 120, 5)
    assert [held(memory, 2, k) for k in (0, 1)] == [list(range(14, 20)), list(range(114, 120))]
    feed(memory, 2, 200, 203, 5)
    assert held(memory, 3, 0) == list(range(16, 20))
    assert held(memory, 3, 1) == list(range(116, 120))
    assert held(memory, 3, 2) == [200, 201, 202]


def test_authors_cursor_values():
    """Cursor after each task for M = 256 and batches of 10, as their code leaves it."""
    memory = ring(256 * 14, 14, authors=True)
    cursors = []
    for task in range(14):
        feed(memory, task, 0, 1000, 10)
        cursors.append(memory.cursors[task])
    assert cursors == [220, 180, 140, 100, 60, 20, 240, 200, 160, 120, 80, 40, 0, 220]


def test_authors_cursor_drops_what_overflows_and_skips_the_gap():
    memory = ring(16, 2, authors=True)
    feed(memory, 0, 0, 5, 5)  # cursor 5
    feed(memory, 1, 100, 105, 5)  # writes 5, 6, 7; two samples are dropped, cursor 0
    assert memory.cursors == [5, 0]
    assert held(memory, 2, 0) == [0, 1, 2, 3, 4]
    assert held(memory, 2, 1) == [100, 101, 102]


def test_state_continues_where_it_stood():
    one, two = ring(9, 3), ring(9, 3)
    feed(one, 0, 0, 7, 2)
    two.load_state_dict(one.state_dict())
    for memory in (one, two):
        feed(memory, 1, 50, 54, 3)
    assert torch.equal(one.x, two.x)
    assert one.state_dict()["cursors"] == two.state_dict()["cursors"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [((2, 3), "less than one sample"), ((12, 3, "growing", True), "needs memory.tasks=known")],
)
def test_impossible_settings_are_refused(arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        ring(*arguments)


def test_bytes():
    assert ring(10, 2).bytes == 10 * 2 * 4 + 10 * 8
