"""Fine-tuning: Lopez-Paz & Ranzato 2017, the baseline "single"."""

import pytest
from stepping import STREAMS, Reference


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_plain_sgd(agrees, stream):
    agrees(Reference, "method=single", *stream)
