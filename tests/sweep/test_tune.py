"""The choice among settings, of values that are written here."""

from pathlib import Path

import pytest
from conftest import DIGITS

from cl_bench.errors import RunError
from cl_bench.sweep.tune import Asked, Trial, tunings

WORDS = (DIGITS, "method=single", "method.lr=0.01,0.1,1", "model.hidden=[9],[30]")


def tuning(metric="acc"):
    (found,) = tunings(Asked(WORDS, ["digits_rotations"], metric, seeds=2))
    return found


def trials(found, means, failed=()):
    return [
        Trial(
            setting,
            (mean, mean),
            ("it diverged",) if i in failed else (),
            (Path(f"{i}-seed1000"), Path(f"{i}-seed1001")),
        )
        for i, (setting, mean) in enumerate(zip(found.search.samples, means, strict=True))
    ]


def test_the_best_mean_is_chosen_and_an_edge_is_told():
    found = tuning()
    choice = found.chosen(trials(found, [0.1, 0.2, 0.3, 0.2, 0.5, 0.6]))
    assert choice.tuned.chosen == {"method.lr": "1", "model.hidden": "[30]"}
    assert choice.tuned.runs == 12
    assert choice.notes == ["method.lr=1 is the largest value tried: the best may lie beyond"]
    choice = found.chosen(trials(found, [0.7, 0.2, 0.3, 0.2, 0.5, 0.6]))
    assert choice.notes == ["method.lr=0.01 is the smallest value tried: the best may lie beyond"]
    assert not found.chosen(trials(found, [0.1, 0.2, 0.7, 0.2, 0.5, 0.6])).notes


def test_less_is_better_for_some_metrics():
    found = tuning("forgetting")
    choice = found.chosen(trials(found, [0.3, 0.3, 0.1, 0.2, 0.5, 0.6]))
    assert choice.tuned.chosen == {"method.lr": "0.1", "model.hidden": "[9]"}


def test_of_equal_means_the_first_is_taken_and_the_others_are_told():
    found = tuning()
    choice = found.chosen(trials(found, [0.1, 0.2, 0.5, 0.2, 0.5, 0.1]))
    assert choice.tuned.chosen == {"method.lr": "0.1", "model.hidden": "[9]"}
    assert choice.notes == [
        "method.lr=1 model.hidden=[9]: the same mean; the first in the table is taken"
    ]


def test_a_setting_that_failed_is_worse_than_all_others():
    found = tuning()
    choice = found.chosen(trials(found, [0.1, 0.2, 0.9, 0.2, 0.3, 0.2], failed={2}))
    assert choice.best.words == ("method.lr=1", "model.hidden=[9]")
    assert choice.tuned.failed == 1
    with pytest.raises(RunError, match=r"no setting finished .* it diverged"):
        found.chosen(trials(found, [0.1] * 6, failed=range(6)))


def test_what_is_chosen_stands_on_the_stream_that_is_reported():
    found = tuning()
    words = found.report_words(found.search.samples[1])
    assert "dataset=digits_rotations" in words
    assert DIGITS not in words
    assert {"method.lr=0.01", "model.hidden=[30]", "seed=0,1,2,3,4"} <= {*words}
    assert "seed=1000,1001" in found.tuning_words()


def test_another_file_of_the_same_kind_is_another_stream(tmp_path):
    words = ("dataset=npz", "dataset.path=a.npz", "method=single", "method.lr=0.1,1")
    (found,) = tunings(Asked(words, ["dataset.path=b.npz"]))
    assert found.report_configs(found.search.samples[0])[0].dataset["path"] == "b.npz"
