"""Sizes for which there is no memory: told before anything is allocated."""

import pytest
import torch
from small_runs import small

from cl_bench.config.compose import config_of
from cl_bench.errors import RunError
from cl_bench.run import room

CFG = config_of(small("er", "memory.size=5000000"))


def test_what_is_free_is_some_of_the_machine():
    free = room.free_bytes()
    assert free is None or free > 2**20


def test_an_allocation_beyond_what_is_free_fails_at_once(monkeypatch):
    monkeypatch.setattr(room, "free_bytes", lambda: 2**30)
    with (
        pytest.raises(RunError, match=r"memory\.size=5000000: takes more .* \(1\.0 GiB free\)"),
        room.no_more_than_there_is(CFG, on_cpu=True),
    ):
        torch.zeros(2**31, dtype=torch.uint8)
    assert len(torch.zeros(2**31, dtype=torch.uint8)) == 2**31  # no limit is left behind


def test_another_error_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), room.no_more_than_there_is(CFG, on_cpu=True):
        raise ZeroDivisionError("of a method")
