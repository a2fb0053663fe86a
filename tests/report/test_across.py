import numpy as np
import pytest
from synthetic_runs import write_run

from cl_bench.errors import UsageError
from cl_bench.report.table import build

# ACC of three methods on four datasets: er is always the best, single always the last but once
SCORES = {
    "one": {"er": 0.9, "gem": 0.8, "single": 0.5},
    "two": {"er": 0.8, "gem": 0.7, "single": 0.4},
    "three": {"er": 0.7, "gem": 0.4, "single": 0.5},
    "four": {"er": 0.6, "gem": 0.5, "single": 0.3},
}


@pytest.fixture
def place(tmp_path):
    for dataset, methods in SCORES.items():
        for method, acc in methods.items():
            for seed in range(2):
                write_run(tmp_path, method, seed, [acc + seed / 50] * 3, dataset__name=dataset)
    return tmp_path


def test_ranks_tests_and_critical_difference_by_hand(place):
    found = build([place], over="dataset").across
    assert [(s.label, s.rank) for s in found.standings] == [
        (("er",), 1.0), (("gem",), 2.25), (("single",), 2.75),
    ]  # fmt: skip
    # Nemenyi: q(.05, 3) = 2.343 (Demsar 2006, table 5), times sqrt(3 x 4 / (6 x 4))
    assert found.critical == pytest.approx(2.343 * np.sqrt(0.5), abs=1e-3)
    # Friedman: 12 N / (k (k + 1)) (sum R^2 - k (k + 1)^2 / 4) = 6.5, two degrees of freedom
    assert found.friedman == pytest.approx(np.exp(-6.5 / 2))
    assert found.alike == [(0, 1), (1, 2)]  # 1.25 and 0.5 are less than 1.657, 1.75 is not
    assert found.notes == []


def test_interquartile_mean_and_improvement_by_hand(place):
    standings = {
        s.label[0]: s
        for s in build([place], baseline="method=gem", over="dataset").across.standings
    }
    # of gem's eight values .40 .42 .50 .52 .70 .72 .80 .82 the middle four
    value, low, high = standings["gem"].iqm
    assert value == pytest.approx((0.5 + 0.52 + 0.7 + 0.72) / 4)
    assert low < value < high
    assert standings["gem"].improvement is None
    assert standings["er"].improvement == (1.0, 1.0, 1.0)
    assert standings["single"].improvement[0] == 0.25  # on one stream of four


def test_less_is_better_where_it_is(place):
    found = build([place], metrics=["forgetting"], over="dataset").across
    assert [s.label[0] for s in found.standings] == ["er", "gem", "single"]
    value, low, high = found.standings[0].iqm
    assert 0 < low <= value <= high


def test_a_row_that_is_not_everywhere_is_left_out_and_told(place):
    write_run(place, "mas", 0, dataset__name="one")
    report = build([place], over="dataset")
    assert len(report.across.standings) == 3
    assert "mas is not on every stream and not compared across them" in report.notes


def test_two_rows_and_few_streams_are_told(tmp_path):
    for dataset in ("one", "two"):
        for method, acc in (("er", 0.9), ("gem", 0.8), ("single", 0.5)):
            write_run(tmp_path, method, 0, [acc] * 3, dataset__name=dataset)
    found = build([tmp_path], over="dataset").across
    assert found.alike == [(0, 2)]
    assert build([tmp_path], over="dataset").notes != []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"over": "method"}, "what makes streams differ"),
        ({"over": "dataset", "baseline": "dataset=one"}, "0 rows of --across are it"),
        ({"over": "datase"}, "no such setting"),
    ],
)
def test_a_mistake_is_told(place, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        build([place], **options)


def test_one_stream_is_none_to_compare_across(tmp_path):
    for method in ("er", "gem"):
        write_run(tmp_path, method, 0)
    with pytest.raises(UsageError, match="it takes two of each"):
        build([tmp_path], over="dataset")
