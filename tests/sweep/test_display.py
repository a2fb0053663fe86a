import io
import json
import re
import sys
import time
from dataclasses import asdict

import pytest
from small_sweep import TINY
from synthetic_runs import write_run

from cl_bench.run.job import Outcome
from cl_bench.run.progress import Display
from cl_bench.sweep import display
from cl_bench.sweep.display import Rest, Shown

LOUD = [word for word in TINY if word != "-q"]


def test_a_sweep_is_a_line_per_run_a_table_and_a_place(inline, tmp_path):
    code, out, err = inline("-m", "method=single,ewc", "seed=0,1", "memory.size=1,2", *LOUD)
    assert code == 0, err
    lines = out.splitlines()
    runs = [line for line in lines if line.startswith("[")]
    assert len(runs) == 8
    # each of the two has no memory: its size changes nothing
    assert sum("the same run as [" in line for line in runs) == 4
    names = {path.name for path in (tmp_path / "outputs").iterdir()}
    assert {line.rpartition("outputs/")[2] for line in runs} == names
    assert re.match(r"\[1/8\] single, seed=0, memory.size=1 +ACC +0\.\d{4}  BWT +-?\d", runs[0])
    assert any(re.match(r"ewc +2 +0\.\d{4} ± 0", line) for line in lines)
    assert "4 runs for 8 combinations" in out
    assert lines[-1] == "outputs"
    assert "learned in" not in err  # that is in each run.log
    assert "learned in" in next((tmp_path / "outputs").glob("*/run.log")).read_text()


def test_the_same_command_again_says_what_was_there(inline):
    command = ("-m", "method=single", "seed=0,1", *LOUD)
    assert inline(*command)[0] == 0
    # the clock of a run's end has whole seconds
    time.sleep(1.1)
    code, out, err = inline(*command)
    assert code == 0
    assert out.count("from before") == 2
    assert err == ""


def test_quiet_is_a_directory_per_run(inline, tmp_path):
    code, out, err = inline("-m", "method=single", "seed=0,1", *TINY)
    assert (code, err) == (0, "")
    assert [(tmp_path / line / "metrics.json").is_file() for line in out.splitlines()] == [True] * 2


def test_a_failure_is_told_in_its_line_and_at_the_end(inline):
    code, out, err = inline("-m", "method=single", "method.lr=1e30,0.1", *LOUD)
    assert code == 1
    assert re.search(r"^\[1/2\] method\.lr=1e\+30: diverged: the parameters", err, re.MULTILINE)
    assert "1 of 2 runs failed" in err
    assert re.search(r"^\[2/2\] method\.lr=0\.1 +ACC", out, re.MULTILINE)


@pytest.fixture
def finished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Outcome("finished", str(write_run(tmp_path / "outputs", "gem", 0)))


def test_runs_elsewhere_are_told_as_they_end(tmp_path, monkeypatch, capsys, finished):
    monkeypatch.setattr(display, "POLL", 0.01)
    shown = Shown(["method=gem", "seed=0,1"], tmp_path)
    (tmp_path / "1.json").write_text("half of")
    (tmp_path / "0.json").write_text(json.dumps(["method=gem seed=0", asdict(finished)]))
    out = ""
    while not out:  # the test's time-out is the only limit
        time.sleep(0.01)
        out = capsys.readouterr().out
    assert out.startswith("[1/2] seed=0 ")
    shown.tell(0, "method=gem seed=0", finished)  # at the end, again
    shown.close()
    assert capsys.readouterr().out == ""
    assert (tmp_path / "0.json").exists()  # it belongs to who concludes the sweep


def test_lines_fit_a_terminal(tmp_path, monkeypatch, finished):
    seen = io.StringIO()
    monkeypatch.setattr(seen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", seen)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setenv("COLUMNS", "80")
    words = ["method=gem", "memory.size=100,200", "method.margin=0,1", "dataset.samples_per_task=9"]
    shown = Shown([*words, "seed=range(20)"], tmp_path)
    job = "method=gem memory.size=100 method.margin=0 dataset.samples_per_task=9 seed=3"
    shown.tell(0, job, finished)
    bad = Outcome("failed", str(tmp_path / "no"), "a long reason " * 12, 1)
    shown.tell(1, job, bad)
    shown.close()
    (line,) = seen.getvalue().splitlines()
    assert len(line) <= 80
    assert line.startswith("[ 1/80] memory.size=100, method.margin=0")
    told = sys.stderr.getvalue().splitlines()
    assert max(map(len, told)) <= 80
    assert " ".join(" ".join(told).split()).count("a long reason") == 12


def test_the_bar_goes_however_the_sweep_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(Display, "_one", None)
    shown = Shown(["method=gem", "seed=0,1"], tmp_path)
    assert Display._one is not None
    shown.close()
    shown.close()
    assert Display._one is None


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_rest_is_judged_by_runs_alike():
    clock = Clock()
    kinds = ["method=gem memory.size=1"] * 3 + ["method=gem memory.size=2", "method=ewc"]
    rest = Rest(kinds, clock)
    assert rest.told() == ""
    clock.now = 10.0
    rest.ended(kinds[0], 10.0)
    assert rest.seconds() == pytest.approx(40)
    clock.now = 30.0
    rest.ended("method=gem memory.size=2", 20.0)
    # two like the first and one that nobody knows: as the mean of all
    assert rest.seconds() == pytest.approx(10 + 10 + 15)
    clock.now = 34.0
    assert rest.seconds() == pytest.approx(31)
    assert rest.told() == "31 s left"


def test_runs_side_by_side_and_runs_that_were_there():
    clock = Clock()
    rest = Rest(["method=gem"] * 10, clock)
    for _ in range(2):
        rest.ended("method=gem", None)  # finished before: says nothing
    assert rest.seconds() is None
    clock.now = 10.0
    for _ in range(4):
        rest.ended("method=gem", 10.0)
    assert rest.seconds() == pytest.approx(10)  # four at a time
