"""What Python is offered does what the command line does, and shows nothing."""

import json
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import environment

import cl_bench

SHORT = {
    "dataset": "digits_permutations", "dataset.tasks": 2, "dataset.samples_per_task": 60,
    "model.hidden": [12], "plots": False, "device.threads": 1,
}  # fmt: skip
SWEPT = {**SHORT, "model.hidden": [[12]]}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_import_brings_nothing_heavy():
    heavy = ("torch", "pandas", "hydra", "numpy", "pydantic", "rich")
    asked = f"import sys, cl_bench; print([m for m in {heavy} if m in sys.modules])"
    command = [sys.executable, "-c", asked]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = cl_bench.rum


def test_a_run_is_that_of_the_command_line(cli, capfd):
    result = cl_bench.run(method="gem", **SHORT, **{"memory.size": 20})
    assert capfd.readouterr() == ("", "")
    line = [f"{k}={str(v).lower()}" for k, v in {**SHORT, "memory.size": 20}.items()]
    done = cli("method=gem", *line, "-q")
    assert done.returncode == 0, done.stderr
    assert "finished already" in done.stderr  # the very directory, hence the same configuration
    assert Path(done.stdout.strip()) == result.directory
    assert result.matrix.shape == (3, 2)
    assert result.metrics["acc"] == pytest.approx(result.matrix[-1].mean())
    recorded = json.loads((result.directory / "metrics.json").read_text())
    assert result.metrics["acc"] == recorded["acc"]
    assert result.config["memory"]["size"] == 20
    assert len(result.tasks) == 2
    assert "ACC" in repr(result)


def test_a_finished_run_is_read_and_not_run_again(capfd):
    first = cl_bench.run("method=single", **SHORT)
    before = (first.directory / "status.json").stat().st_mtime_ns
    again = cl_bench.run("method=single", **SHORT)
    assert (again.directory / "status.json").stat().st_mtime_ns == before
    assert np.array_equal(first.matrix, again.matrix)
    assert capfd.readouterr() == ("", "")


def test_the_process_is_left_as_it_was():
    torch.set_num_threads(2)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    before, arguments = Path.cwd(), sys.argv
    cl_bench.run(method="single", **SHORT)
    cl_bench.sweep(method="single", jobs=1, **SWEPT)
    assert torch.get_num_threads() == 2
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert (Path.cwd(), sys.argv) == (before, arguments)
    torch.set_num_threads(1)


def test_threads_wait_for_each_other():
    alone = cl_bench.run(method="single", outputs="alone", **SHORT).matrix
    found = {}

    def one(name):
        found[name] = cl_bench.run(method="single", outputs=name, **SHORT).matrix

    threads = [threading.Thread(target=one, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(found["a"], alone)
    assert np.array_equal(found["b"], alone)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "gen"}, "did you mean 'gem'"),
        ({"memory.sise": 20}, "memory.sise: no such option; did you mean 'size'"),
        ({"method.lr": -1}, "method.lr=-1: should be greater than 0"),
        ({"method.lr": object()}, "method.lr: takes numbers, text, lists"),
        ({"model": "multimodal", "model.hidden": [5]}, "choose model=mlp"),
    ],
)
def test_mistakes_are_exceptions_in_the_same_words(options, words):
    with pytest.raises(cl_bench.UsageError, match=words):
        cl_bench.run(**{"method": "gem", **SHORT, **options})
    assert not Path("outputs").exists()


def test_divergence_is_an_exception_and_recorded():
    with pytest.raises(cl_bench.Diverged, match=r"lower method\.lr"):
        cl_bench.run(method="single", **SHORT, **{"method.lr": 1e30})
    assert list(cl_bench.load()["state"]) == ["diverged"]
    with pytest.raises(cl_bench.RunError, match="not a finished run"):
        cl_bench.Result(next(Path("outputs").iterdir()))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_has_a_row_for_each_combination(jobs, capfd):
    found = cl_bench.sweep(method=["single", "er"], seed=range(2), jobs=jobs, **SWEPT)
    assert capfd.readouterr().out == ""
    assert list(found["method.name"]) == ["single", "single", "er", "er"]
    assert list(found["seed"]) == [0, 1, 0, 1]
    assert found["acc"].between(0, 1).all()
    alone = cl_bench.run(method="er", seed=1, **SHORT)
    assert str(alone.directory) == found["directory"][3]
    assert alone.metrics["acc"] == found["acc"][3]
    assert not Path("outputs/.sweeps").exists()


def test_runs_that_fail_are_rows_with_their_reason():
    with pytest.warns(UserWarning, match="2 of 3 runs failed"):
        found = cl_bench.sweep(method="single", jobs=1, **SWEPT, **{"method.lr": [0.1, 1e30, -1]})
    assert list(found["state"]) == ["finished", "diverged", "failed"]
    assert found["problem"][0] is None
    assert "should be greater than 0" in found["problem"][2]


def test_settings_are_chosen_on_one_stream_and_reported_on_another(capfd):
    options = {**SWEPT, "method": "single", "method.lr": [0.001, 0.1]}
    with pytest.warns(UserWarning, match=r"method\.lr=0\.1 is the largest value tried"):
        found = cl_bench.tune(report="digits_rotations", seeds=1, report_seeds=2, jobs=1, **options)
    assert capfd.readouterr().out == ""
    assert list(found["seed"]) == [0, 1]
    assert list(found["method.lr"]) == [0.1, 0.1]
    assert set(found["dataset.name"]) == {"digits_rotations"}
    assert found["tuned"].str.startswith("tuned on digits_permutations by ACC over 1 seed").all()
    tried = cl_bench.load("outputs/.tuning").set_index("method.lr")["acc"]
    assert tried[0.1] > tried[0.001]
    with pytest.raises(cl_bench.UsageError, match="which overstates"):
        cl_bench.tune(jobs=1, **options)


def test_what_is_wrong_with_all_runs_of_a_sweep_is_an_exception():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options, words in (
            ({"seed": []}, "seed: there is nothing to sweep over"),
            ({"method.lr": [-1, -2]}, "should be greater than 0"),
            ({"method": ["gen"]}, "did you mean 'gem'"),
        ):
            with pytest.raises(cl_bench.UsageError, match=words):
                cl_bench.sweep(jobs=1, **{"method": "single", **SWEPT, **options})


def test_rooms_of_the_same_names_stay_importable():
    import cl_bench.run.job
    from cl_bench.report.table import build
    from cl_bench.sweep.launch import run_sweep

    assert callable(cl_bench.run)
    assert callable(cl_bench.sweep)
    assert cl_bench.run.job.run_job.__module__ == "cl_bench.run.job"
    assert "finished already" in cl_bench.run.__doc__
    assert build.__module__ == "cl_bench.report.table"
    assert run_sweep.__module__ == "cl_bench.sweep.launch"
