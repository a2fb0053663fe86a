import io
import os
import pickle

import numpy as np
import pytest

from cl_bench.datasets.unpickle import load_arrays


def test_arrays_and_containers_are_read():
    value = {"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1, 2], "name": "x"}
    for protocol in (2, 4):
        found = load_arrays(io.BytesIO(pickle.dumps(value, protocol=protocol)))
        np.testing.assert_array_equal(found["data"], value["data"])
        assert found["labels"] == [1, 2]


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: [a], lambda a: np.array([a], object)])
def test_code_is_refused(tmp_path, wrap):
    marker = tmp_path / "ran"
    data = pickle.dumps(wrap(Attack(marker)))
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        load_arrays(io.BytesIO(data))
    assert not marker.exists()
