"""Every test here steps in float64 and tells the largest difference that it has seen."""

import pytest
import torch
from stepping import LIMIT, largest_difference


@pytest.fixture(autouse=True)
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def agrees(record_property):
    """``agrees(Reference, *overrides)``: learn both ways; they may differ by rounding alone."""

    def check(*arguments, **options):
        found = largest_difference(*arguments, **options)
        record_property("largest_difference", found)
        assert found < LIMIT

    return check
