import pytest
from synthetic_runs import write_run

from cl_bench.report.table import build


def test_tasks_are_matched_by_name_and_seeds_averaged_within_an_order(tmp_path):
    # order null: a b c, order B: c a b; the columns of accuracy.csv are in the order learned
    for seed, shift in ((0, 0.0), (1, 0.1)):
        write_run(tmp_path, "gem", seed, [0.5 + shift, 0.6, 0.7], names="abc")
        write_run(tmp_path, "gem", seed, [0.4, 0.5 + shift, 0.8], names="cab", dataset__order="B")
    # a seed that one order lacks does not pass for an effect of the order
    write_run(tmp_path, "gem", 2, [1.0, 1.0, 1.0], names="abc")
    report = build([tmp_path])
    (entry,) = report.orders
    assert entry.orders == 2
    assert entry.opd == {
        "a": pytest.approx(0.0),
        "b": pytest.approx(0.2),
        "c": pytest.approx(0.3),
    }
    assert entry.metrics == {"aopd": pytest.approx(0.5 / 3), "mopd": pytest.approx(0.3)}
    assert report.frame["mopd_mean"].tolist() == [pytest.approx(0.3)] * 2
    assert report.labels == ["method.name", "dataset.order"]


def test_without_several_orders_there_is_no_disparity(tmp_path):
    write_run(tmp_path, "gem", 0)
    write_run(tmp_path, "single", 0)
    report = build([tmp_path])
    assert report.orders == []
    assert "aopd_mean" not in report.frame
