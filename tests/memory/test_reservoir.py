"""The reservoir: what it keeps, with which odds, and how it is drawn from."""

from __future__ import annotations

import copy

import pytest
import torch

from cl_bench.memory.reservoir import Reservoir
from cl_bench.rng import generator
from cl_bench.streams.task import UNKNOWN


def reservoir(size: int, acceptance: str = "textbook") -> Reservoir:
    settings = Reservoir.Settings(name="reservoir", size=size, acceptance=acceptance)
    return Reservoir(settings, 3, (1,), torch.device("cpu"))


def offer(memory: Reservoir, samples: range, draw: torch.Generator, batch: int = 1) -> None:
    """Samples whose input and label are their number, of task number % 3 for single samples."""
    for start in range(samples.start, samples.stop, batch):
        y = torch.arange(start, min(start + batch, samples.stop))
        memory.add(y[:, None].float(), y, start % 3 if batch == 1 else 0, draw)


def inclusion(size: int, offered: int, acceptance: str, runs: int) -> torch.Tensor:
    """How often each of the offered samples is held at the end, (offered,)."""
    draw, held = generator(0, acceptance), torch.zeros(offered)
    for _ in range(runs):
        memory = reservoir(size, acceptance)
        offer(memory, range(offered), draw, batch=offered)
        held[memory.y] += 1
    return held


def test_it_keeps_everything_until_it_is_full():
    memory = reservoir(5)
    offer(memory, range(4), generator(0))
    assert len(memory) == 4
    assert memory.y[memory.rows()].tolist() == [0, 1, 2, 3]
    assert memory.task_ids(memory.rows()).tolist() == [0, 1, 2, 0]


def test_every_sample_of_the_stream_is_kept_with_the_same_odds():
    runs, size, offered = 4000, 10, 40
    held = inclusion(size, offered, "textbook", runs)
    expected = runs * size / offered
    # fixed-size samples: the counts' variance is runs·p·(1-p)·n/(n-1), so this is chi-square
    # with n-1 degrees of freedom; 72.1 is its 99.9 % point at 39
    p = size / offered
    chi2 = ((held - expected) ** 2).sum() / (expected * (1 - p)) * (offered - 1) / offered
    assert chi2 < 72.1


def test_the_authors_odds_favour_old_samples_as_predicted():
    runs, size, offered = 4000, 10, 40
    held = inclusion(size, offered, "authors", runs) / runs
    # the last sample is accepted with odds size/(N+1); a first one survives each later draw
    # with 1 - 1/(N+1), in all (size+1)/(offered+1)
    assert held[-1] == pytest.approx(size / (offered + 1), abs=0.025)
    assert held[:size].mean() == pytest.approx((size + 1) / (offered + 1), abs=0.008)


@pytest.mark.parametrize("acceptance", ["textbook", "authors", "er_authors"])
def test_the_first_sample_beyond_the_size_is_accepted_with_the_named_odds(acceptance):
    draw, accepted = generator(1), 0
    for _ in range(2000):
        memory = reservoir(1, acceptance)
        offer(memory, range(2), draw)
        accepted += int(memory.y[0] == 1)
    assert accepted / 2000 == pytest.approx(
        {"textbook": 1 / 2, "authors": 1 / 3, "er_authors": 1}[acceptance], abs=0.04
    )


@pytest.mark.parametrize("batch", [7, 64, 200])
def test_a_batch_is_kept_like_its_samples_one_by_one(batch):
    single, batched = reservoir(20), reservoir(20)
    draws = generator(3), generator(3)
    for start in range(200):
        y = torch.tensor([start])
        single.add(y[:, None].float(), y, 0, draws[0])
    offer(batched, range(200), draws[1], batch)
    assert torch.equal(single.x, batched.x)
    assert torch.equal(single.y, batched.y)
    assert torch.equal(draws[0].get_state(), draws[1].get_state())


def test_draws_are_uniform_with_replacement_and_distinct_without():
    memory, draw = reservoir(8), generator(2)
    offer(memory, range(6), draw)
    counts = memory.draw((100, 60), draw).flatten().bincount(minlength=8)
    assert counts[6:].tolist() == [0, 0]
    assert ((counts[:6] - 1000) ** 2 / 1000).sum() < 20.5  # 99.9 % point of chi-square, 5 d.o.f.
    assert sorted(memory.draw_distinct(6, draw).tolist()) == list(range(6))
    found = memory.sample(4, draw)
    x, y, tasks = found.x, found.y, found.task_ids
    assert len(y.unique()) == 4
    assert torch.equal(x[:, 0].long(), y)
    assert torch.equal(tasks, y % 3)
    assert len(memory.sample(100, draw, replacement=True)) == 6
    assert len(reservoir(3).sample(5, draw)) == 0


def test_a_restored_reservoir_goes_on_as_the_original():
    memory, draw = reservoir(20), generator(4)
    offer(memory, range(100), draw)
    state, position = copy.deepcopy(memory.state_dict()), draw.get_state()
    offer(memory, range(100, 200), draw)
    restored = reservoir(20)
    restored.load_state_dict(state)
    draw.set_state(position)
    offer(restored, range(100, 200), draw)
    for name in ("x", "y", "task"):
        assert torch.equal(getattr(memory, name), getattr(restored, name))


def test_it_cannot_draw_without_a_generator():
    with pytest.raises(ValueError, match="generator"):
        reservoir(2).add(torch.zeros(1, 1), torch.zeros(1).long(), 0)


def test_a_column_goes_with_its_sample():
    memory, draw = reservoir(4), generator(0)
    memory.column("logits", 2)
    for start in range(0, 40, 5):
        labels = torch.arange(start, start + 5)
        x = labels[:, None].float()
        memory.add(x, labels, 0, draw, logits=torch.stack([labels + 0.5, -labels.float()], 1))
    found = memory.sample(4, draw)
    assert len(found) == 4
    assert torch.equal(found.logits, torch.stack([found.y + 0.5, -found.y.float()], 1))
    assert memory.bytes == memory.x.nbytes + memory.y.nbytes + memory.task.nbytes + 4 * 2 * 4
    empty = reservoir(4)
    empty.column("logits", 2)
    with pytest.raises(ValueError, match="logits"):
        empty.add(x, labels, 0, draw)
    with pytest.raises(AttributeError, match="no column"):
        _ = found.features


def test_samples_of_no_known_task_are_kept_like_all_others():
    told, untold = reservoir(5), reservoir(5)
    for memory, task in ((told, 0), (untold, UNKNOWN)):
        y = torch.arange(40)
        memory.add(y[:, None].float(), y, task, generator(0))
    assert torch.equal(told.x, untold.x)
    assert untold.at(untold.rows()).task_ids.tolist() == [UNKNOWN] * len(untold)
