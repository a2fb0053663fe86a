from __future__ import annotations

import numpy as np
import pytest
import torch

from cl_bench.check.values import same

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        ([1.0, NAN], [1.0, NAN], True),
        ([1.0, NAN], [1.0, 0.5], False),
        ([INF], [torch.finfo(torch.float32).max], False),
        ([1.0], [1.0, 1.0], False),
        ([1], [1.0], False),
    ],
)
def test_tensors_alone_and_in_what_holds_them(one, two, equal):
    one, two = torch.tensor(one), torch.tensor(two)
    assert same(one, two) is equal
    assert same({"a": [one, 1]}, {"a": [two, 1]}) is equal


def test_what_is_of_another_kind_differs():
    assert not same(torch.ones(1), np.ones(1))
    assert not same({"a": 1}, {"b": 1})
    assert not same(1, True)
    assert same(np.array([NAN]), np.array([NAN]))
