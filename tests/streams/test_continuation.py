"""A stream that is entered in the middle shows what it would have shown."""

import pytest
import torch
from conftest import STREAM

from cl_bench.streams import base
from cl_bench.streams.permutations import Permutations


@pytest.mark.parametrize("start", [0, 1, 3, 4, 5, 8, 11, 12])
def test_batches_from_anywhere(tiny, monkeypatch, start):
    monkeypatch.setattr(base, "PREPARED_BATCH", 10)  # two batches are prepared at a time
    settings = {**STREAM, "samples_per_task": 18, "epochs": 3}
    stream = Permutations(
        Permutations.Settings.model_validate(settings), tiny, 0, torch.device("cpu")
    )
    task = stream.tasks[1]
    every = list(stream.train_batches(task))
    assert len(every) == stream.batches(task) == 12
    rest = list(stream.train_batches(task, start))
    assert len(rest) == 12 - start
    for (x, y), (wanted_x, wanted_y) in zip(rest, every[start:], strict=True):
        assert torch.equal(x, wanted_x)
        assert torch.equal(y, wanted_y)


def test_what_was_seen_is_not_prepared_again(tiny, monkeypatch):
    monkeypatch.setattr(base, "PREPARED_BATCH", 10)
    stream = Permutations(
        Permutations.Settings.model_validate(STREAM), tiny, 0, torch.device("cpu")
    )
    prepared = []
    monkeypatch.setattr(stream, "_inputs", lambda task, positions, rows: prepared.append(rows))
    with pytest.raises(AttributeError):  # nothing comes from the stand-in
        next(stream.train_batches(stream.tasks[0], 2))
    assert [len(rows) for rows in prepared] == [10]  # the second half of 20 samples
