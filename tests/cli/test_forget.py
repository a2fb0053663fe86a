"""``cl-bench forget`` on a finished run of APD, as a user would use it."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import environment
from small_runs import small

from cl_bench.datasets import load
from cl_bench.files import atomic
from cl_bench.files.state import read_state
from cl_bench.metrics.curves import worst_case
from cl_bench.results.curves import read_curves
from cl_bench.results.record import read_results

pytestmark = pytest.mark.xdist_group("forget")  # its fixture is made once

NAMES = [f"classes {2 * i}-{2 * i + 1}" for i in range(5)]
APD = (
    "dataset=digits_split", "dataset.tasks=5", "dataset.epochs=2", "method.consolidate_every=5",
    "method.clusters=2", "method.gap=0.1", "plots=true", "checkpoint.keep=true",
    "evaluate_every=[0.5]",
)  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tmp_path_factory.mktemp("original")


@pytest.fixture
def finished(inline, tmp_path, original):
    """A finished run of APD and the test set as a file; it is trained once for all tests."""
    if not list(original.iterdir()):
        code, out, error = inline(*small("apd", *APD))
        assert code == 0, error
        shutil.copytree(tmp_path / out.splitlines()[-1], original / "run", symlinks=True)
    shutil.copytree(original / "run", tmp_path / "run")
    np.savez(tmp_path / "test.npz", x=load("digits").test_images)
    return tmp_path / "run"


def predictions(inline, directory, tasks):
    for task in tasks:
        arguments = (str(directory), "test.npz", "--task", str(task), "--out", "found.npz")
        code, _, error = inline("predict", *arguments)
        assert code == 0, error
        yield np.load(directory.parent / "found.npz")["y"]


def test_a_task_is_forgotten_and_every_other_prediction_stays(inline, finished):
    others = (1, 2, 4, 5)
    before = list(predictions(inline, finished, others))
    _, matrix, metrics = read_results(finished)
    size = (finished / "model.safetensors").stat().st_size
    code, out, error = inline("forget", str(finished), "task=3")
    assert code == 0, error
    assert "forgot task 3 (classes 4-5)" in out
    assert re.search(r"^ +1 +2 +4 +5$", out, re.MULTILINE)  # the table keeps the tasks' numbers
    for a, b in zip(before, predictions(inline, finished, others), strict=True):
        np.testing.assert_array_equal(a, b)

    names, left, found = read_results(finished)
    assert names == [NAMES[0], NAMES[1], NAMES[3], NAMES[4]]
    rows, columns = [0, 1, 2, 4, 5], [0, 1, 3, 4]
    np.testing.assert_array_equal(left, matrix[rows][:, columns])
    assert found["acc"] == pytest.approx(left[-1].mean(), abs=1e-15)
    assert found["la"] == pytest.approx(np.mean([left[i + 1, i] for i in range(4)]), abs=1e-15)
    within, curve = read_curves(finished)
    assert within == names
    assert curve.stay.tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    np.testing.assert_array_equal(curve.accuracy[-1], left[-1])
    assert found["wc_acc"] == worst_case(curve, range(4))
    assert found["capacity"] < metrics["capacity"]
    assert found["parameters"] < metrics["parameters"]
    assert found["seconds_total"] == metrics["seconds_total"]
    assert (finished / "model.safetensors").stat().st_size < size
    diagnostics = json.loads((finished / "diagnostics.json").read_text())
    assert len(diagnostics["tau_nonzero"]) == 4
    assert not list(finished.glob("checkpoint*"))
    assert "Forgotten since: task 3 (classes 4-5)." in (finished / "summary.md").read_text()
    assert (finished / "accuracy.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads((finished / "forgotten.json").read_text())
    assert record["complete"] is True
    assert [(task["task"], task["name"]) for task in record["tasks"]] == [(3, "classes 4-5")]

    code, _, error = inline("predict", str(finished), "test.npz", "--task", "3")
    assert code == 2
    assert "--task 3: was forgotten; the run has left 1, 2, 4, 5" in error


def test_nothing_of_the_task_is_left_in_the_model(inline, finished):
    """The last task's composed parameters are the last that were tested."""
    state, _ = read_state(finished / "model.safetensors")
    row = state["tau"][4]
    own = row["values"] if isinstance(row, dict) else row[row != 0]
    assert inline("forget", str(finished), "task=5")[0] == 0
    after, _ = read_state(finished / "model.safetensors")

    def numbers(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            return set().union(*map(numbers, value))
        return set(value.flatten().tolist()) if hasattr(value, "flatten") else set()

    held = numbers({key: value for key, value in after.items() if key != "generator"})
    theta = numbers(state["net"]["parameters"])
    initial = {
        0.0,
        *numbers(after["net"]["parameters"]),
    }  # where a unit never fired, nothing was learned
    assert len(set(own.tolist()) - initial) > 20
    assert not held & (set(own.tolist()) - initial)
    assert not held & (theta - initial)
    assert after["learned"] == [0, 1, 2, 3]
    # without --task it is the last task that is left
    assert inline("predict", str(finished), "test.npz")[0] == 0
    assert int(np.load(finished.parent / "predictions.npz")["task"]) == 4


def test_a_second_task_by_its_name_and_what_every_reader_says(inline, finished):
    assert inline("forget", str(finished), "task=3")[0] == 0
    assert inline("forget", str(finished), "task=classes 0-1")[0] == 0
    names, matrix, _ = read_results(finished)
    assert names == [NAMES[1], NAMES[3], NAMES[4]]
    assert matrix.shape == (4, 3)
    told = "task 3 (classes 4-5), task 1 (classes 0-1) were forgotten since"
    code, out, _ = inline("ls", "runs", ".")
    assert code == 0
    assert told in " ".join(out.split())
    code, out, error = inline("report", ".")
    assert code == 0, error
    assert "1 of 1 runs have forgotten tasks since" in " ".join(out.split())

    directory = finished.parent / "outputs"
    directory.mkdir()
    (finished.parent / "run").rename(directory / "run")
    command = small("apd", *APD)
    code, out, _ = inline(*command, "quiet=false", "outputs=elsewhere")
    assert code == 0
    name = out.splitlines()[-1].rpartition("/")[2]
    (directory / "run").rename(directory / name)
    code, out, error = inline(*command, "quiet=false")
    assert code == 0
    assert f"is finished already ({told}); force=true runs it again" in " ".join(error.split())
    assert told in out
    # forced, the run learns them anew
    assert inline(*command, "force=true")[0] == 0
    assert read_results(directory / name)[0] == NAMES
    assert not (directory / name / "forgotten.json").exists()


def test_runs_that_forgot_are_no_seeds_of_those_that_did_not(inline, tmp_path, finished):
    shutil.copytree(finished, tmp_path / "b")
    config = (tmp_path / "b" / "config.yaml").read_text()
    (tmp_path / "b" / "config.yaml").write_text(config.replace("seed: 0", "seed: 1"))
    assert "forgotten" not in inline("report", ".")[1]
    assert inline("forget", "b", "task=2")[0] == 0
    code, out, error = inline("report", ".", "--format", "json")
    assert code == 0, error
    rows = json.loads(out)["rows"]
    assert [(row["forgotten"], row["n"]) for row in rows] == [("–", 1), ("classes 2-3", 1)]
    code, out, _ = inline("report", ".", "--out", "r.html")
    assert code == 0
    assert "classes 2-3" in (tmp_path / "r.html").read_text()


KILLED = """
import os, sys
from pathlib import Path
from cl_bench.files.atomic import write_atomic
Path.replace = lambda *paths: os._exit(9)
path = Path(sys.argv[1])
write_atomic(path, path.read_bytes())
"""


def test_what_a_killed_process_was_writing_goes_too(inline, finished):
    checkpoint = finished / "checkpoint.safetensors"  # holds the parameters of all tasks
    subprocess.run([sys.executable, "-c", KILLED, str(checkpoint)], env=environment())
    (left,) = finished.glob(".checkpoint*")
    assert left.read_bytes() == checkpoint.read_bytes()
    assert inline("forget", "run", "task=3")[0] == 0
    assert not left.exists()


class Cut(OSError):
    pass


def contents(directory):
    kept = {p.name: p.read_bytes() for p in directory.iterdir() if p.is_file()}
    kept["forgotten.json"] = re.sub(rb"20[^\"]+", b"when", kept["forgotten.json"])
    kept.pop(".lock", None)
    return kept


def test_broken_off_anywhere_the_same_command_completes_it(inline, finished, monkeypatch):
    """Every file is written by a rename: the command is cut before each of them in turn."""
    arguments = ("forget", "cut", "task=2")
    whole, cut = finished, finished.parent / "cut"
    shutil.copytree(finished, finished.parent / "fresh")
    fresh = finished.parent / "fresh"
    finished.rename(cut)  # the summary holds the directory's name
    assert inline(*arguments)[0] == 0
    expected = contents(cut)
    cut.rename(whole)
    replace = atomic.Path.replace
    writes = 0
    while True:
        shutil.rmtree(cut, ignore_errors=True)
        shutil.copytree(fresh, cut)
        left = [writes]

        def replace_or_break(path, target, left=left):
            if left[0] == 0:
                raise Cut(28, "cut", str(target))
            left[0] -= 1
            return replace(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(atomic.Path, "replace", replace_or_break)
            code, _, error = inline(*arguments)
        if code == 0:
            break
        assert error.count("\n") == 1
        if writes > 0:  # the decision is on record
            sentence = "forgetting task 2 was broken off; cl-bench forget cut task=2 completes it"
            assert sentence in " ".join(inline("ls", "runs", "cut")[1].split())
            assert sentence in inline("report", "cut")[2]
            assert inline("predict", "cut", "test.npz", "--task", "2")[0] == 2
        assert inline("predict", "cut", "test.npz", "--task", "1")[0] == 0
        code, _, error = inline(*arguments)
        assert code == 0, error
        assert contents(cut) == expected
        writes += 1
    assert writes >= 7


def test_another_task_completes_what_was_broken_off_first(inline, finished, monkeypatch):
    from cl_bench.results.record import RunRecord

    def broken(*arguments):
        raise OSError(28, "No space left on device", "metrics.json")

    with monkeypatch.context() as patch:
        patch.setattr(RunRecord, "write_numbers", broken)
        assert inline("forget", "run", "task=2")[0] == 1
    assert inline("forget", "run", "task=4")[0] == 0
    assert read_results(finished)[0] == [NAMES[0], NAMES[2], NAMES[4]]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("task=6", "task=6: the run has the tasks 1 to 5, named classes 0-1 to classes 8-9"),
        ("task=0", "the tasks 1 to 5"),
        ("task=-1", "the tasks 1 to 5"),
        ("task=classes 0-2", "did you mean 'classes 0-1'?"),
        ("task=", "the tasks 1 to 5"),
        ("3", "write task=N instead of 3"),
        ("tusk=3", "write task=N instead of tusk=3"),
    ],
)
def test_a_task_that_is_not_there(inline, finished, word, sentence):
    before = {p.name: p.read_bytes() for p in finished.iterdir()}
    code, _, error = inline("forget", "run", word)
    assert code == 2
    assert sentence in error
    assert error.count("\n") == 1
    after = {p.name: p.read_bytes() for p in finished.iterdir() if p.name != ".lock"}
    assert after == {name: content for name, content in before.items() if name != ".lock"}


def test_what_cannot_be_forgotten_is_one_sentence(inline, finished):
    assert inline("forget", "run", "task=3")[0] == 0
    code, _, error = inline("forget", "run", "task=classes 4-5")
    assert code == 2
    assert "task 3 (classes 4-5) of run was forgotten already" in error
    for task in (1, 2, 4):
        assert inline("forget", "run", f"task={task}")[0] == 0
    code, _, error = inline("forget", "run", "task=5")
    assert code == 2
    assert "is the only task left; remove run instead" in error
    (finished / "forgotten.json").write_text('{"of": 5, "tasks": [{"task": 9}]}')
    for command in (("forget", "run", "task=5"), ("predict", "run", "test.npz")):
        code, _, error = inline(*command)
        assert code == 1
        assert "forgotten.json: does not say which tasks were forgotten" in error
    assert inline("report", "run")[0] == 1
    assert inline("ls", "runs", "run")[0] == 0
    (finished / "status.json").write_text('{"state": "interrupted"}')
    assert "is not a finished run (interrupted)" in inline("forget", "run", "task=5")[2]
    code, _, error = inline("forget", "nowhere", "task=5")
    assert code == 1
    assert not (finished.parent / "nowhere").exists()


def test_a_method_that_cannot_forget_names_those_that_can(inline):
    code, out, error = inline(*small("single"))
    assert code == 0, error
    code, _, error = inline("forget", out.splitlines()[-1], "task=1")
    assert code == 2
    assert "method=single cannot forget a task" in error
    assert error.rstrip().endswith("methods that can: apd, apd-fixed, apd1")


def test_help(inline):
    _, out, _ = inline("--help")
    assert "cl-bench forget RUN task=N" in out
