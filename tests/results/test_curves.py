"""The file of the tests within tasks."""

import numpy as np
import pytest

from cl_bench.files.untrusted import Damaged
from cl_bench.metrics.base import Curve
from cl_bench.results.curves import FILE, curves_text, read_curve, read_curves, without

NAN = np.nan
CURVE = Curve(
    np.array([1, 1, 2, 3]), np.array([1, 2, 2, 2]), np.array([1, 2, 3, 4]),
    np.array([1, 2, 4, 6]), np.array([0.1, 0.2, 0.3, 1 / 3]),
    np.array([[0.1, NAN, NAN], [0.2, NAN, NAN], [0.3, 1 / 3, NAN], [0.5, 0.6, 0.7]]),
)  # fmt: skip
NAMES = ["one", "=two", "three, and"]


def written(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    return tmp_path


def same(one, other):
    for name in Curve.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_what_is_written_comes_back_with_all_its_digits(tmp_path):
    names, curve = read_curves(written(tmp_path, curves_text(NAMES, CURVE)))
    assert names == NAMES
    same(curve, CURVE)
    assert read_curve(tmp_path, tasks=3, stays=3) is not None


def test_there_may_be_none(tmp_path):
    assert read_curves(tmp_path) is None
    assert read_curve(tmp_path, 3, 3) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("0.7", "1.7"), "no accuracies"),
        (lambda text: text.replace("0.7", "x"), "could not convert"),
        (lambda text: text.replace("stay", "stray"), "no table of tests"),
        (lambda text: text.splitlines()[0] + "\n", "no table of tests"),
        (lambda text: text + "1,2,3,4,5,0.1,,\n", "not in their order"),
        (lambda text: text + "3,2\n", "curves.csv"),
        (lambda text: "", "curves.csv"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, change, words):
    written(tmp_path, change(curves_text(NAMES, CURVE)))
    with pytest.raises(Damaged, match=words):
        read_curves(tmp_path)


def test_a_file_of_another_run_is_told(tmp_path):
    written(tmp_path, curves_text(NAMES, CURVE))
    with pytest.raises(Damaged, match="another number of tasks"):
        read_curve(tmp_path, tasks=4, stays=4)


def test_a_forgotten_task_leaves_its_column_and_its_stay():
    left = without(CURVE, [0, 2])
    assert left.stay.tolist() == [1, 1, 2]
    assert left.backward_passes.tolist() == [1, 2, 6]
    np.testing.assert_array_equal(left.accuracy, [[0.1, NAN], [0.2, NAN], [0.5, 0.7]])
