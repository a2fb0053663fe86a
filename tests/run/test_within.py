"""Tests within tasks: when they come, what they cost, and that they change nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from cut_runs import interrupted, result
from small_runs import small

from cl_bench.config.compose import config_of
from cl_bench.errors import UsageError
from cl_bench.files import atomic
from cl_bench.results.curves import read_curves
from cl_bench.results.record import read_accuracy
from cl_bench.run.execute import execute
from cl_bench.run.state import Evaluated, RunState

# 3 tasks of 60 samples: 6 batches each
EVERY = "evaluate_every=4"


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch):
    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: None)


def run(directory, *arguments):
    execute(config_of(list(arguments)), directory, show_bar=False)
    return directory


def places(directory):
    curve = read_curves(directory)[1]
    return list(zip(curve.stay.tolist(), curve.batch.tolist(), strict=True))


@pytest.mark.parametrize("method", ["single", "gem", "icarl", "mer"])
def test_they_change_nothing_but_what_is_known(tmp_path, method):
    plain = run(tmp_path / "plain", *small(method))
    tested = run(tmp_path / "tested", *small(method, EVERY))
    assert result(plain) == result(tested)
    assert not (plain / "curves.csv").exists()
    assert "aaa" not in json.loads((plain / "metrics.json").read_text())


@pytest.mark.parametrize(
    ("every", "batches"),
    [("4", [4, 6]), ("6", [6]), ("100", [6]), ("3", [3, 6]),
     ("[1,2,0.5]", [1, 2, 3, 6]), ("[0.5,1.0,9]", [3, 6]), ("[0.01]", [1, 6])],
)  # fmt: skip
def test_when_they_come(tmp_path, every, batches):
    directory = run(tmp_path / "run", *small("single", f"evaluate_every={every}"))
    assert places(directory) == [(stay, batch) for stay in (1, 2, 3) for batch in batches]


def test_they_see_the_tasks_seen_and_end_with_the_matrix(tmp_path):
    directory = run(tmp_path / "run", *small("single", EVERY))
    (names, curve), (_, matrix) = read_curves(directory), read_accuracy(directory)
    assert len(names) == 3
    for stay, row in zip(curve.stay, curve.accuracy, strict=True):
        assert np.isnan(row).tolist() == [task >= stay for task in range(3)]
    ends = curve.accuracy[curve.batch == 6]
    np.testing.assert_array_equal(ends, np.where(np.tri(3, dtype=bool), matrix[1:], np.nan))
    # samples that went through by then: 40 of the task at hand, and 60
    assert curve.backward_passes.tolist() == [40, 60, 100, 120, 160, 180]
    values = json.loads((directory / "metrics.json").read_text())
    assert values["backward_passes"] == 180
    assert values["seconds_train"] == curve.seconds_train[-1]
    assert (np.diff(curve.seconds_train) >= 0).all()
    assert values["aaa"] == pytest.approx(
        np.mean([np.nanmean(row) for row in curve.accuracy]), abs=1e-12
    )


def test_a_stay_in_a_task_that_returns_has_its_own(tmp_path):
    arguments = small("single", EVERY, "dataset.tasks=2", "dataset.order=[0,1,0]")
    directory = run(tmp_path / "run", *arguments)
    assert [stay for stay, _ in places(directory)] == [1, 1, 2, 2, 3, 3]
    curve = read_curves(directory)[1]
    assert not np.isnan(curve.accuracy[-1]).any()


@pytest.mark.parametrize("method", ["er", "icarl"])
@pytest.mark.parametrize("saves", [4, 5, 11])
def test_a_run_taken_up_again_has_the_same(tmp_path, method, saves):
    arguments = small(method, EVERY)
    whole = run(tmp_path / "whole", *arguments)
    cut = tmp_path / "cut"
    interrupted(config_of(arguments), cut, saves)
    run(cut, *arguments)
    assert result(whole) == result(cut)
    (_, one), (_, other) = read_curves(whole), read_curves(cut)
    np.testing.assert_array_equal(one.accuracy, other.accuracy)
    for name in ("stay", "batch", "forward_passes", "backward_passes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (np.diff(other.seconds_train) >= 0).all()


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "[]", "[0]", "[1.5]", "x", "true", "[true]"])
def test_what_cannot_be_a_place_is_refused(value):
    with pytest.raises(UsageError, match=r"evaluate_every=.*a number of batches"):
        config_of([*small("single"), f"evaluate_every={value}"])


def point(stay, batch, accuracy=(0.5, None)):
    return Evaluated(
        stay=stay, batch=batch, forward_passes=1, backward_passes=1, seconds_train=1.0,
        accuracy=list(accuracy),
    )  # fmt: skip


@pytest.mark.parametrize(
    "points",
    [
        [point(2, 1)],  # after what has been learned
        [point(1, 3)],
        [point(1, 2), point(1, 1)],
        [point(1, 1), point(1, 1)],
        [point(1, 1, (0.5,))],
    ],
)
def test_a_checkpoint_with_tests_that_cannot_be_is_refused(points):
    timing = {"task": 0, "seconds_train": 0.0, "seconds_eval": 0.0}
    state = RunState(rows=[[0.1, 0.1]], timings=[timing], batch=2, curve=points)
    with pytest.raises(ValueError, match="tests within tasks do not fit"):
        state.check_fits([4, 4], 2)
    state.model_copy(update={"curve": [point(1, 1), point(1, 2)]}).check_fits([4, 4], 2)


def test_from_the_command_line_with_a_picture(tmp_path):
    command = [sys.executable, "-m", "cl_bench", *small("single", EVERY), f"outputs={tmp_path}"]
    found = subprocess.run([*command, "plots=true", "quiet=false"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "WC-ACC" in found.stdout
    (directory,) = (path for path in tmp_path.iterdir() if not path.name.startswith("."))
    assert (directory / "accuracy.png").exists()
    assert len(places(directory)) == 6
