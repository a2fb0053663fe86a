"""Metrics of tests within tasks, by hand."""

import numpy as np
import pytest

from cl_bench import metrics
from cl_bench.metrics.base import Curve, Measured
from cl_bench.metrics.curves import mean_seen, minima, worst_case

NAN = np.nan


def curve(stay, batch, accuracy):
    count = np.arange(1, len(stay) + 1)
    return Curve(
        np.array(stay), np.array(batch), 2 * count, count, count / 10, np.array(accuracy, float)
    )


# three tasks, two tests in each: in the middle and at its end
HALVES = curve(
    [1, 1, 2, 2, 3, 3],
    [5, 10, 5, 10, 5, 10],
    [[0.4, NAN, NAN], [0.8, NAN, NAN],
     [0.2, 0.4, NAN], [0.6, 0.8, NAN],
     [0.5, 0.3, 0.4], [0.7, 0.5, 0.9]],
)  # fmt: skip
MATRIX = np.array([[0.1, 0.1, 0.1], [0.8, 0.1, 0.1], [0.6, 0.8, 0.1], [0.7, 0.5, 0.9]])


def measured(found, matrix=MATRIX, learned=()):
    return metrics.compute(Measured(matrix, learned=learned, curve=found))


def test_anytime_accuracy_and_the_stability_gap():
    values = measured(HALVES)
    # means over the tasks seen: .4 .8 .3 .7 .4 .7
    assert values["aaa"] == pytest.approx(3.3 / 6)
    # after its own stay task 1 falls to .2, task 2 to .3
    assert values["min_acc"] == pytest.approx((0.2 + 0.3) / 2)
    assert values["wc_acc"] == pytest.approx(0.9 / 3 + (2 / 3) * 0.25)
    assert values["lca10"] is None


def test_the_end_of_a_task_s_own_stay_is_no_minimum():
    low = curve([1, 2], [10, 10], [[0.1, NAN], [0.3, 0.9]])
    assert minima(low, (0, 1)).tolist() == [0.3]


def test_the_beginning_of_a_run_has_them_too():
    early = HALVES.until(3)
    assert mean_seen(early, (0, 1, 2)).tolist() == pytest.approx([0.4, 0.8, 0.3])
    assert worst_case(early, (0, 1, 2)) == pytest.approx(0.4 / 2 + 0.2 / 2)
    assert worst_case(HALVES.until(1), (0, 1, 2)) == 0.4
    assert len(minima(HALVES.until(2), (0, 1, 2))) == 0


def test_a_task_that_returns_is_at_its_lowest_after_its_last_stay():
    found = curve([1, 2, 3], [1, 1, 1], [[0.8, NAN], [0.1, 0.9], [0.7, 0.5]])
    matrix = np.array([[0.1, 0.1], [0.8, 0.1], [0.1, 0.9], [0.7, 0.5]])
    values = measured(found, matrix, (0, 1, 0))
    assert values["min_acc"] == 0.5
    assert values["wc_acc"] == pytest.approx(0.7 / 2 + 0.5 / 2)


def test_one_task_has_no_past():
    values = measured(curve([1], [4], [[0.75]]), np.array([[0.1], [0.75]]))
    assert (values["aaa"], values["min_acc"], values["wc_acc"]) == (0.75, None, 0.75)


def test_lca_is_the_mean_over_the_first_ten_batches_of_every_task():
    batches = [*range(1, 11), 20]
    first, second = np.linspace(0.1, 1.0, 10), np.linspace(0.0, 0.9, 10)
    rows = [[value, NAN] for value in [*first, 1.0]] + [[0.3, value] for value in [*second, 1.0]]
    found = curve([1] * 11 + [2] * 11, batches * 2, rows)
    matrix = np.array([[0.1, 0.1], [1.0, 0.1], [0.3, 1.0]])
    assert measured(found, matrix)["lca10"] == pytest.approx((0.55 + 0.45) / 2)
    gap = found.of(np.arange(22) != 4)
    assert measured(gap, matrix)["lca10"] is None


def test_places_are_stays_and_shares_of_them():
    assert HALVES.places.tolist() == [0.5, 1, 1.5, 2, 2.5, 3]


def test_without_tests_within_tasks_there_are_none_of_these():
    assert not {"aaa", "min_acc", "wc_acc", "lca10"} & set(measured(None))


def test_what_was_not_tested_leaves_them_undefined():
    values = measured(curve([1, 2], [1, 1], [[0.8, NAN], [NAN, 0.9]]), MATRIX[:3, :2])
    assert (values["aaa"], values["min_acc"]) == (None, None)
