import pytest
import torch

from cl_bench.memory.ring import Ring


def ring(**changes):
    values = {"name": "ring", "size": 12, "tasks": "known", "authors_cursor": False, **changes}
    return Ring(Ring.Settings(**values), 3, (1,), torch.device("cpu"))


def fill(memory, counts, batch=3):
    """Labels 100·task + running number, so that a sample says where it comes from."""
    for task, count in enumerate(counts):
        for start in range(0, count, batch):
            y = 100 * task + torch.arange(start, min(start + batch, count))
            memory.add(y[:, None].float(), y, task)


def draw(memory, tasks, n, seed=0):
    found = memory.sample_past(tasks, n, torch.Generator().manual_seed(seed))
    x, y, task_ids = found.x, found.y, found.task_ids
    assert torch.equal(x[:, 0], y.float())
    assert torch.equal(task_ids, y // 100)
    return y.tolist()


@pytest.mark.parametrize("changes", [{}, {"tasks": "growing"}, {"authors_cursor": True}], ids=str)
def test_all_that_past_tasks_hold_comes_once(changes):
    memory = ring(**changes)
    fill(memory, [10, 2, 7])
    _, y, counts = memory.blocks(range(2))
    held = [label for row, n in zip(y.tolist(), counts, strict=True) for label in row[:n]]
    drawn = draw(memory, 2, 1000)
    assert sorted(drawn) == sorted(held)
    assert len(set(drawn)) == len(drawn) == 6


def test_draws_are_without_replacement_and_uniform_over_the_union():
    memory = ring()
    fill(memory, [9, 1, 4])
    hits = dict.fromkeys(draw(memory, 2, 1000), 0)
    assert len(hits) == 5
    for seed in range(2000):
        drawn = draw(memory, 2, 2, seed)
        assert len(set(drawn)) == 2
        for label in drawn:
            hits[label] += 1
    # 2000 draws of 2 out of 5: 800 each, standard deviation 22
    assert all(abs(count - 800) < 100 for count in hits.values())
