import pytest

from cl_bench.metrics.orders import aopd, disparity, mopd


def test_disparity_by_hand():
    found = disparity([{"a": 0.5, "b": 0.9}, {"a": 0.75, "b": 0.8}, {"b": 0.6, "a": 0.6}])
    assert found == {"a": 0.25, "b": pytest.approx(0.3)}


def test_disparity_is_over_the_tasks_that_every_order_has():
    assert disparity([{"a": 0.5, "b": 0.9}, {"b": 0.8, "c": 0.1}]) == {"b": pytest.approx(0.1)}


def test_mean_and_largest_of_the_tasks():
    finals = [{"a": 0.5, "b": 0.9}, {"a": 0.75, "b": 0.8}]
    assert aopd.of(finals) == pytest.approx((0.25 + 0.1) / 2)
    assert mopd.of(finals) == pytest.approx(0.25)
    assert aopd.of([{"a": 0.5}, {"b": 0.5}]) is mopd.of([{"a": 0.5}, {"b": 0.5}]) is None
