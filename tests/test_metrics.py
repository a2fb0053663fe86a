import numpy as np
import pytest

from cl_bench.metrics import summarize

# three tasks; row 0 is the untrained network
MATRIX = np.array([[0.1, 0.2, 0.3], [0.9, 0.25, 0.2], [0.7, 0.8, 0.4], [0.6, 0.85, 0.9]])


def test_every_metric_by_hand():
    values = summarize(MATRIX)
    assert values["acc"] == pytest.approx((0.6 + 0.85 + 0.9) / 3)
    assert values["la"] == pytest.approx((0.9 + 0.8 + 0.9) / 3)
    assert values["bwt"] == pytest.approx(((0.6 - 0.9) + (0.85 - 0.8)) / 2)
    assert values["fwt"] == pytest.approx(((0.25 - 0.2) + (0.4 - 0.3)) / 2)
    assert values["forgetting"] == pytest.approx(((0.9 - 0.6) + (0.8 - 0.85)) / 2)


def test_authors_code_divides_by_all_tasks():
    values = summarize(np.random.default_rng(0).random((21, 20)))
    assert values["bwt_authors_code"] == pytest.approx(0.95 * values["bwt"])
    assert values["fwt_authors_code"] == pytest.approx(0.95 * values["fwt"])


def test_retained_is_learning_accuracy_plus_backward_transfer():
    values = summarize(np.random.default_rng(1).random((8, 7)))
    assert values["acc"] == pytest.approx(values["la"] + values["bwt_authors_code"])


def test_one_task_has_no_transfer():
    values = summarize(np.array([[0.1], [0.7]]))
    assert values["acc"] == values["la"] == 0.7
    assert values["bwt"] is values["fwt"] is values["forgetting"] is None


def test_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="accuracy matrix"):
        summarize(MATRIX[1:])
