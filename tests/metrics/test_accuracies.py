import numpy as np
import pytest

from cl_bench import metrics
from cl_bench.metrics.base import Measured

# three tasks; row 0 is the untrained network
MATRIX = np.array([[0.1, 0.2, 0.3], [0.9, 0.25, 0.2], [0.7, 0.8, 0.4], [0.6, 0.85, 0.9]])


def computed(matrix, **more):
    return metrics.compute(Measured(matrix, **more))


def test_every_metric_by_hand():
    values = computed(MATRIX)
    assert values["acc"] == pytest.approx((0.6 + 0.85 + 0.9) / 3)
    assert values["la"] == pytest.approx((0.9 + 0.8 + 0.9) / 3)
    assert values["bwt"] == pytest.approx(((0.6 - 0.9) + (0.85 - 0.8)) / 2)
    assert values["fwt"] == pytest.approx(((0.25 - 0.2) + (0.4 - 0.3)) / 2)
    assert values["forgetting"] == pytest.approx(((0.9 - 0.6) + (0.8 - 0.85)) / 2)
    assert values["worst_forgetting"] == pytest.approx(0.9 - 0.6)
    assert values["aia"] == pytest.approx((0.9 + (0.7 + 0.8) / 2 + (0.6 + 0.85 + 0.9) / 3) / 3)


def test_authors_code_divides_by_all_tasks():
    values = computed(np.random.default_rng(0).random((21, 20)))
    assert values["bwt_authors_code"] == pytest.approx(0.95 * values["bwt"])
    assert values["fwt_authors_code"] == pytest.approx(0.95 * values["fwt"])


def test_retained_is_learning_accuracy_plus_backward_transfer():
    values = computed(np.random.default_rng(1).random((8, 7)))
    assert values["acc"] == pytest.approx(values["la"] + values["bwt_authors_code"])


def test_one_task_has_no_transfer():
    values = computed(np.array([[0.1], [0.7]]))
    assert values["acc"] == values["la"] == values["aia"] == 0.7
    for key in ("bwt", "fwt", "forgetting", "worst_forgetting", "bwt_authors_code"):
        assert values[key] is None


def test_intransigence_needs_a_joint_run():
    assert "intransigence" not in computed(MATRIX)
    joint = np.full((4, 3), 0.1)
    joint[-1] = 0.8, 0.9, 0.95
    assert computed(MATRIX, reference=joint)["intransigence"] == pytest.approx(0.95 - 0.9)


def test_a_task_that_returns_is_measured_from_its_stays_by_hand():
    """Order 0, 1, 0, 2: a row per stay, a column per task."""
    matrix = np.array(
        [[0.1, 0.2, 0.3], [0.9, 0.25, 0.2], [0.5, 0.8, 0.4], [0.85, 0.6, 0.45], [0.7, 0.5, 0.9]]
    )
    values = computed(matrix, learned=(0, 1, 0, 2))
    assert values["acc"] == pytest.approx((0.7 + 0.5 + 0.9) / 3)
    assert values["la"] == pytest.approx((0.9 + 0.8 + 0.9) / 3)
    assert values["bwt"] == pytest.approx(((0.7 - 0.85) + (0.5 - 0.8)) / 2)
    assert values["fwt"] == pytest.approx(((0.25 - 0.2) + (0.45 - 0.3)) / 2)
    assert values["forgetting"] == pytest.approx(((0.9 - 0.7) + (0.8 - 0.5)) / 2)
    assert values["aia"] == pytest.approx(
        (0.9 + (0.5 + 0.8) / 2 + (0.85 + 0.6) / 2 + (0.7 + 0.5 + 0.9) / 3) / 4
    )
    assert values["relearning"] == pytest.approx(0.85 - 0.5)
    assert "relearning" not in computed(MATRIX)


def test_the_last_task_may_be_one_that_returns():
    matrix = np.array([[0.1, 0.2], [0.9, 0.25], [0.5, 0.8], [0.85, 0.6]])
    values = computed(matrix, learned=(0, 1, 0))
    assert values["bwt"] == pytest.approx(0.6 - 0.8)
    assert values["forgetting"] == pytest.approx(0.8 - 0.6)


def test_a_matrix_has_a_row_per_stay():
    with pytest.raises(ValueError, match=r"\(S\+1, T\)"):
        computed(MATRIX, learned=(0, 1, 0, 2))


@pytest.mark.parametrize("learned", [(0, 1, 2), (2, 0, 1)])
def test_forgetting_does_not_need_tests_of_tasks_to_come(learned):
    matrix = np.random.default_rng(2).random((4, 3))
    for row in range(1, 4):
        later = [task for task in range(3) if task not in learned[:row]]
        matrix[row, later] = 0  # not better than what follows
    whole = computed(matrix, learned=learned)
    for row in range(1, 4):
        matrix[row, [task for task in range(3) if task not in learned[:row]]] = np.nan
    seen = computed(matrix, learned=learned)
    assert seen["forgetting"] == whole["forgetting"]
    assert seen["worst_forgetting"] == whole["worst_forgetting"]
    matrix[2, learned[0]] = np.nan  # it could have been the best
    assert computed(matrix, learned=learned)["forgetting"] is None
