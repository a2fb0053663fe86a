"""Sweeps: the same numbers by every launcher, failures that are told and stop nobody."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import environment
from cut_runs import cut_off
from small_sweep import TINY, check, launch, results

from cl_bench.errors import UsageError
from cl_bench.sweep import outcomes

pytestmark = pytest.mark.xdist_group("sweep")  # its fixture is made once


@pytest.fixture(scope="module")
def sequential(tmp_path_factory) -> Path:
    """The sweep of this file, run one after the other."""
    cwd = tmp_path_factory.mktemp("sequential")
    done = launch(cwd)
    check(done, cwd)
    assert sorted(state for state, _ in results(cwd / "outputs").values()) == [
        "diverged", "diverged", "failed", "failed", "finished", "finished",
    ]  # fmt: skip
    return cwd / "outputs"


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_launchers_agree(tmp_path, sequential, launcher):
    done = launch(tmp_path, f"hydra/launcher={launcher}")
    check(done, tmp_path)
    assert results(tmp_path / "outputs") == results(sequential)


@pytest.mark.cluster
def test_ray_agrees(tmp_path, sequential):
    done = launch(tmp_path, "hydra/launcher=ray", "hydra.launcher.ray.init.num_cpus=2")
    assert results(tmp_path / "outputs") == results(sequential)
    assert done.returncode == 1
    assert "cl-bench: 4 of 6 runs failed:" in done.stderr


def test_a_sweep_over_methods_may_set_its_launcher(cli):
    done = cli("-m", "method=single,ewc", "method.lr=0.1", "hydra/launcher=joblib",
               "hydra.launcher.n_jobs=1", *TINY)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_a_good_sweep_leaves_its_runs_alone(inline, tmp_path):
    code, out, err = inline("-m", "method=single", "seed=0,1", *TINY)
    assert code == 0, err
    names = {Path(line).name for line in out.splitlines()}
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == names
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=joblib", "hydra.launcher.n_jobs=1")])
def test_home_is_where_a_sweep_goes_too(inline, tmp_path, monkeypatch, launcher):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    code, _, err = inline("-m", "method=single", "seed=0", *TINY, "outputs='~/x'", *launcher)
    assert code == 0, err
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert len(list(tmp_path.glob("home/x/*"))) == 1


@pytest.mark.parametrize("sweep", [(), ("-m",)])
def test_a_size_for_which_there_is_no_memory_is_one_sentence(inline, tmp_path, sweep):
    size = "9" * 15
    sizes = f"{size},20" if sweep else size
    code, out, err = inline(*sweep, "method=er", f"memory.size={sizes}", *TINY)
    assert code == 1
    assert len(out.splitlines()) == len(sweep)  # the sibling finishes
    sentence = (
        rf"memory\.size={size}: takes more memory than there is here .*; choose smaller sizes"
    )
    assert re.match(f"cl-bench: {sentence}\n", err)
    assert err.count("\n") == (3 if sweep else 1)
    if sweep:
        (directory,) = tmp_path.glob(f"outputs/*{size}-*")
        assert results(tmp_path / "outputs")[directory.name] == ("failed", None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], "correct hydra.launcher's settings"),
        (
            ["hydra/launcher=joblib", "hydra.launcher.n_jobs=" + "9" * 20],
            "hydra.launcher's setting",
        ),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=x"], "choose one of another kind"),
        (["hydra/launcher=joblib", "hydra.launcher.nope=1"], "this launcher has no such option"),
        (["hydra.launcher.n_jobs=2"], "choose another by hydra/launcher=..."),
        (["hydra.sweeper.max_batch_size=0"], "should be a whole number from 1"),
        (["outputs=/dev/null/x"], "name a place where files can be written and read"),
    ],
)
def test_what_never_goes_on_is_not_said_to(inline, words, sentence):
    code, _, error = inline("-m", "method=single", "seed=0,1", *TINY, *words)
    assert code in (1, 2)
    assert sentence in error
    assert "goes on" not in error
    assert "Traceback" not in error


def test_a_later_good_sweep_removes_what_a_failed_one_left(inline, tmp_path):
    assert inline("-m", "method=single", "method.lr=1e30,0.1", *TINY)[0] == 1
    assert (tmp_path / "outputs" / ".sweeps").is_dir()
    under_way = tmp_path / "outputs" / ".sweeps" / "another"
    under_way.mkdir()
    assert inline("-m", "method=single", "method.lr=0.1", *TINY)[0] == 0
    # what the failed one was asked for stays: a report tells what is missing of it
    left = [path for path in (tmp_path / "outputs" / ".sweeps").iterdir() if path.is_dir()]
    assert left == [under_way]


@pytest.mark.parametrize("word", ["evaluate=${oc.env:NOT_THERE}", "method.lr=${nothing}"])
def test_what_a_value_interpolates_is_not_looked_up_by_the_sweep(inline, word):
    code, _, err = inline("-m", "method=single", "seed=0,1", word, *TINY)
    assert code == 2
    assert "2 of 2 runs failed" in err
    assert "${" in err.splitlines()[-1]


def test_what_an_interrupted_sweep_left_goes_too(inline, tmp_path):
    words = ("-m", "method=single", "seed=0", "checkpoint.every=0", *TINY)
    with pytest.MonkeyPatch.context() as patch:
        cut_off(patch, 3)
        assert inline(*words)[0] == 130
    assert (tmp_path / "outputs" / ".sweeps").is_dir()
    assert inline(*words)[0] == 0
    assert not (tmp_path / "outputs" / ".sweeps").exists()


def test_a_run_that_cannot_begin_again_leaves_the_finished_one(inline, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert inline("method=single", *TINY)[0] == 0
    (directory,) = tmp_path.glob("outputs/*")
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    code, _, err = inline("-m", "method=single", "seed=0", *TINY, "device=cuda", "force=true")
    assert code == 1
    assert "1 of 1 runs failed" in err
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=joblib", "hydra.launcher.n_jobs=1")])
def test_a_finished_run_that_cannot_be_read_is_listed(cli, tmp_path, launcher):
    words = [word for word in TINY if word != "-q"]
    assert cli("-m", "method=single", "seed=0,1,2", *words).returncode == 0
    (damaged,) = tmp_path.glob("outputs/*-seed0-*")
    (damaged / "accuracy.csv").unlink()
    done = cli("-m", "method=single", "seed=0,1,2", *launcher, *words)
    assert done.returncode == 1
    assert "Warning" not in done.stderr
    assert "cl-bench: 1 of 3 runs failed:\n" in done.stderr
    assert f"failed: outputs/{damaged.name}: accuracy.csv is missing; run it" in done.stderr
    assert done.stdout.count("  outputs/") == 2  # the others are shown


def test_the_same_run_twice_in_a_sweep_is_done_once(cli, tmp_path):
    # without a memory its size means nothing: three jobs, one run
    done = cli("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "method=single",
               "memory.size=1,2,3", "dataset.epochs=20", *TINY)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(set(done.stdout.splitlines())) == 1
    assert len(results(tmp_path / "outputs")) == 1


def test_a_lost_worker_is_told_and_the_same_command_goes_on(tmp_path):
    command = [
        sys.executable,
        "-m",
        "cl_bench",
        "-m",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "method=single",
        "seed=0,1",
        "checkpoint.every=0",
        *TINY,
    ]
    long = [*command, "dataset.epochs=30"]  # fmt: skip
    child = subprocess.Popen(
        long, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    pid = None
    while pid is None:
        assert child.poll() is None, child.communicate()
        time.sleep(0.01)
        for path in tmp_path.glob("outputs/*/checkpoint.safetensors"):
            pid = json.loads((path.parent / "status.json").read_text())["process"]["pid"]
    os.kill(pid, signal.SIGKILL)
    _, stderr = child.communicate()
    assert child.returncode == 1
    assert "the launcher stopped" in stderr
    assert "Traceback" not in stderr
    again = subprocess.run(long, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert {state for state, _ in results(tmp_path / "outputs").values()} == {"finished"}
    logs = [path.read_text() for path in tmp_path.glob("outputs/*/run.log")]
    assert any("continued after" in log for log in logs)


def test_a_missing_launcher_names_its_extra(monkeypatch):
    monkeypatch.setitem(outcomes.LAUNCHERS, "ray", ("hydra_plugins.not_there", "ray"))
    with pytest.raises(UsageError, match=r"pip install 'cl-bench\[ray\]'"):
        outcomes.check_launcher(["-m", "hydra/launcher=ray"])
    monkeypatch.setitem(outcomes.LAUNCHERS, "ray", ("no_parent_either.not_there", "ray"))
    with pytest.raises(UsageError, match=r"pip install 'cl-bench\[ray\]'"):
        outcomes.check_launcher(["hydra/launcher=ray"])
    outcomes.check_launcher(["-m", "hydra/launcher=basic", "method=gem"])


def test_composition_errors_come_before_any_run(inline, tmp_path):
    code, _, err = inline("-m", "method=single,gemm", *TINY)
    assert code == 2
    assert "did you mean 'gem'?" in err
    assert not list(tmp_path.glob("outputs/*/status.json"))
