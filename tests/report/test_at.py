"""Runs at equal cost."""

import json
import re

import numpy as np
import pytest
from synthetic_runs import write_run

from cl_bench.metrics.base import Curve
from cl_bench.results.record import RunRecord

# learning took 10 passes a test; task 1 falls to .3 while task 2 is learned
ACCURACY = [[0.5, np.nan], [0.9, np.nan], [0.3, 0.2], [0.6, 0.7]]


def with_curve(root, method, passes, **more):
    directory = write_run(root, method, final=(0.6, 0.7), names=["one", "two"], **more)
    count = np.arange(1, 5)
    curve = Curve(
        np.array([1, 1, 2, 2]), np.array([1, 2, 1, 2]), passes * count, passes * count,
        count / 10, np.array(ACCURACY),
    )  # fmt: skip
    RunRecord(directory).write_curve(["one", "two"], curve)
    return directory


def reported(inline, *arguments):
    code, out, err = inline("report", *arguments)
    assert code == 0, err
    return out


def test_each_run_as_it_was_at_its_last_test_within_the_cost(inline, tmp_path):
    with_curve(tmp_path, "cheap", 10)
    with_curve(tmp_path, "dear", 20)
    out = reported(inline, str(tmp_path), "--at", "backward_passes=35", "--format", "json",
                   "--metrics", "acc", "aaa", "wc_acc", "tasks_seen",
                   "backward_passes")  # fmt: skip
    rows = {row["method.name"]: row for row in json.loads(out)["rows"]}
    cheap, dear = rows["cheap"], rows["dear"]
    assert cheap["acc_mean"] == pytest.approx(0.25)
    assert cheap["aaa_mean"] == pytest.approx((0.5 + 0.9 + 0.25) / 3)
    assert cheap["wc_acc_mean"] == pytest.approx(0.2 / 2 + 0.3 / 2)
    assert (cheap["tasks_seen_mean"], cheap["backward_passes_mean"]) == (2, 30)
    assert (dear["acc_mean"], dear["tasks_seen_mean"], dear["backward_passes_mean"]) == (0.5, 1, 20)


def test_seconds_are_those_of_training(inline, tmp_path):
    with_curve(tmp_path, "one", 10)
    out = reported(inline, str(tmp_path), "--at", "seconds=0.25", "--format", "csv")
    assert "0.9" in out


def test_a_run_without_such_a_test_is_left_out_with_the_reason(inline, tmp_path):
    with_curve(tmp_path, "cheap", 10)
    with_curve(tmp_path, "dear", 100)
    write_run(tmp_path, "old", final=(0.6, 0.7))
    out = reported(inline, str(tmp_path), "--at", "backward_passes=50")
    assert "not compared" in out
    assert "first test came at backward_passes=100" in " ".join(out.split())
    assert "evaluate_every" in out
    assert "tasks seen" in out


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("backward_passes", "--at backward_passes: write a cost and a number"),
        ("passes=3", "--at passes=3: write a cost"),
        ("seconds=0", "number above 0"),
        ("seconds=nan", "number above 0"),
        ("seconds=inf", "number above 0"),
        ("backward_passes=5", "no run is to be compared; .* first test came at"),
    ],
)
def test_what_cannot_be_is_one_sentence(inline, tmp_path, word, sentence):
    with_curve(tmp_path, "one", 10)
    code, _, err = inline("report", str(tmp_path), "--at", word)
    assert code != 0
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err)


def test_it_is_not_published(inline, tmp_path):
    with_curve(tmp_path, "one", 10)
    code, _, err = inline("report", str(tmp_path), "--at", "seconds=1", "--publish", "p")
    assert code == 2
    assert "leave one of them out" in err


def test_the_page_and_the_figures_show_it_while_it_learns(inline, tmp_path):
    with_curve(tmp_path / "runs", "one", 10)
    reported(inline, str(tmp_path / "runs"), "--figures", str(tmp_path / "figures"))
    assert (tmp_path / "figures" / "within.png").exists()
    page = reported(inline, str(tmp_path / "runs"), "--format", "html")
    assert "Accuracy while it learns" in page
