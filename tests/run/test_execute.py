"""Runs that are cut off, go on, fail, or meet what others left in their directory."""

from __future__ import annotations

import csv
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import environment
from cut_runs import interrupted, result, state
from small_runs import METHODS, small

from cl_bench.config.compose import config_of
from cl_bench.errors import RunError
from cl_bench.files import atomic
from cl_bench.files.state import read_state, write_state
from cl_bench.methods.single import Single
from cl_bench.results.record import Busy, RunRecord, read_learned, read_results
from cl_bench.run import checkpoint
from cl_bench.run import execute as executing
from cl_bench.run.execute import execute

SINGLE = small("single")


@pytest.fixture(autouse=True)
def surroundings(caplog, monkeypatch):
    """A logger that passes all lines on, as the command line sets it up; no wait for the disk."""
    caplog.set_level(logging.DEBUG, "cl_bench")
    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: None)


@pytest.fixture
def images(tmp_path) -> Path:
    """32x32 images of 4 classes, for networks with BatchNorm."""
    draw = np.random.default_rng(0)
    arrays = {
        f"{kind}_{part}": draw.integers(0, 256, (n, 32, 32), dtype=np.uint8)
        if kind == "x"
        else np.arange(n) % 4
        for part, n in (("train", 24), ("test", 8))
        for kind in "xy"
    }
    np.savez(tmp_path / "images.npz", **arrays)
    return tmp_path / "images.npz"


def compare(arguments: list[str], tmp_path: Path, cuts: tuple[int, ...]) -> Path:
    cfg = config_of(arguments)
    execute(cfg, tmp_path / "whole", show_bar=False)
    for saves in cuts:
        interrupted(cfg, tmp_path / "cut", saves)
    execute(cfg, tmp_path / "cut", show_bar=False)
    assert result(tmp_path / "cut") == result(tmp_path / "whole")
    assert not (tmp_path / "cut" / checkpoint.FILE).exists()
    diagnostics = [(tmp_path / d / "diagnostics.json").read_text() for d in ("whole", "cut")]
    assert diagnostics[0] == diagnostics[1]
    metrics = [json.loads((tmp_path / d / "metrics.json").read_text()) for d in ("whole", "cut")]
    assert metrics[0]["backward_passes"] > 0
    for key in ("forward_passes", "backward_passes"):
        assert metrics[0][key] == metrics[1][key]
    return tmp_path / "cut"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_on_as_if_nothing_had_happened(tmp_path, method):
    # after the first batch, in the middle of a task, after its last batch, at a task's end
    compare(small(method), tmp_path, (1, 3, 2, 1, 8))


def test_a_cut_after_the_last_evaluation_changes_nothing(tmp_path):
    for method in ("independent", "single"):
        compare(small(method), tmp_path / method, (21,))  # 3 * (6 batches + evaluation)


def test_batch_normalisation_goes_on(tmp_path, images):
    arguments = [
        "method=er", "dataset=npz", f"dataset.path={images}", "model=resnet18", "model.width=2",
        "dataset.tasks=2", "dataset.classes=4", "dataset.batch_size=4", "memory.size=8",
        "device.threads=1", "plots=false", "checkpoint.every=0",
    ]  # fmt: skip
    directory = compare(arguments, tmp_path, (2, 2, 1))
    saved, _ = read_state(directory / executing.MODEL)
    assert any("running_mean" in name for name in saved["net"]["buffers"])


@pytest.mark.parametrize(
    "more",
    [("dataset.epochs=3",), ("dataset=digits_split", "dataset.tasks=5", "dataset.scenario=class")],
)
def test_passes_and_scenarios_go_on(tmp_path, more):
    compare(small("er", *more), tmp_path, (8, 9, 3))


FREE = ("dataset.task_identity=none",)
BLURRED = ("dataset=digits_split", "dataset.tasks=5", "dataset.scenario=class", "dataset.blur=0.5")


@pytest.mark.parametrize(
    ("method", "more"),
    [("single", FREE), ("mer", (*FREE, "method.algorithm=1")), ("er", BLURRED), ("mer", BLURRED)],
)
def test_without_task_identity_it_goes_on(tmp_path, method, more):
    compare(small(method, "dataset.epochs=2", *more), tmp_path, (5, 9, 3, 1))


@pytest.mark.parametrize("method", ["gem", "independent", "gdumb"])
def test_a_stream_whose_tasks_return_goes_on(tmp_path, method):
    directory = compare(small(method, "dataset.order=[0,1,0,2]"), tmp_path, (5, 9, 3, 4))
    names, matrix, values = read_results(directory)
    assert (len(names), matrix.shape) == (3, (5, 3))
    assert read_learned(directory, matrix) == (0, 1, 0, 2)
    assert values["relearning"] == pytest.approx(matrix[3, 0] - matrix[2, 0])
    assert values["samples"] == 4 * 60


def test_seconds_add_up_and_the_log_goes_on(tmp_path):
    cfg = config_of(SINGLE)
    execute(cfg, tmp_path / "whole", show_bar=False)
    interrupted(cfg, tmp_path / "cut", 9)
    _, facts = read_state(tmp_path / "cut" / checkpoint.FILE)
    run_state = facts["run_state"]
    assert run_state["total"] > run_state["timings"][1]["seconds_train"] + run_state["seconds"] > 0
    write_state(
        tmp_path / "cut" / checkpoint.FILE,
        read_state(tmp_path / "cut" / checkpoint.FILE)[0],
        {**facts, "run_state": {**run_state, "total": 1000.0, "seconds": 500.0}},
    )
    execute(cfg, tmp_path / "cut", show_bar=False)
    metrics = json.loads((tmp_path / "cut" / "metrics.json").read_text())
    assert 1000 < metrics["seconds_total"] < 1100
    assert 500 < metrics["seconds_train"] < 600
    with (tmp_path / "cut" / "timings.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[1]["seconds_train"]) == run_state["timings"][1]["seconds_train"]
    assert float(rows[2]["seconds_train"]) > 500
    assert json.loads((tmp_path / "cut" / "environment.json").read_text())["sessions"] == 2
    log = (tmp_path / "cut" / "run.log").read_text()
    assert log.index("interrupted") < log.index("continued after task 1/3 and 2 batches")
    assert log.count("task 1/3 learned") == log.count("task 2/3 learned") == 1


def test_force_starts_over(tmp_path, monkeypatch):
    interrupted(config_of(SINGLE), tmp_path / "run", 9)
    execute(config_of([*SINGLE, "force=true"]), tmp_path / "run", show_bar=False)
    log = (tmp_path / "run" / "run.log").read_text()
    assert "continued" not in log
    assert "interrupted" not in log


def test_a_checkpoint_can_be_kept(tmp_path):
    execute(config_of([*SINGLE, "checkpoint.keep=true"]), tmp_path / "run", show_bar=False)
    _, facts = read_state(tmp_path / "run" / checkpoint.FILE)
    assert len(facts["run_state"]["rows"]) == 4


def test_another_device_is_told(tmp_path, monkeypatch):
    cfg = config_of(SINGLE)
    interrupted(cfg, tmp_path / "run", 9)
    before = checkpoint.Checkpoint.__init__

    def elsewhere(self, directory, settings, stamp, setting):
        before(self, directory, settings, stamp, {**setting, "device": "another"})

    monkeypatch.setattr(checkpoint.Checkpoint, "__init__", elsewhere)
    execute(cfg, tmp_path / "run", show_bar=False)
    log = (tmp_path / "run" / "run.log").read_text()
    assert "the last digits may differ" in log
    assert "continued after task 1/3" in log


@pytest.fixture
def begun_with_numba(tmp_path, monkeypatch):
    """A run of MER that the compiled kernel has begun, where numba is no longer installed."""
    pytest.importorskip("numba")
    cfg = config_of(small("mer"))
    directory = tmp_path / "outputs" / cfg.directory_name()
    interrupted(cfg, directory, 3)
    monkeypatch.setitem(sys.modules, "cl_bench.methods.parts.inner_loop_numba", None)
    return directory


def kernels(directory: Path) -> list[str]:
    return json.loads((directory / "environment.json").read_text())["kernels"]


def test_another_kernel_does_not_go_on_unasked(begun_with_numba, inline):
    left = begun_with_numba / checkpoint.FILE
    before = left.read_bytes()
    code, _, error = inline(*small("mer"))
    assert code == 1
    assert "was begun with the compiled kernel; here it is the generic one" in error
    assert "(numba is not installed (pip install 'cl-bench[fast]'))" in error
    assert "stale=keep goes on all the same, force=true begins anew" in error
    assert left.read_bytes() == before
    code, _, error = inline(*small("mer"), "stale=keep")
    assert code == 0, error
    assert "the numbers will be of neither (stale=keep)" in error
    assert kernels(begun_with_numba) == ["compiled", "generic"]


def test_another_kernel_may_begin_anew(begun_with_numba, inline):
    code, _, error = inline(*small("mer"), "force=true")
    assert code == 0, error
    assert kernels(begun_with_numba) == ["generic"]


def test_a_defect_leaves_its_traceback_in_the_log(tmp_path, monkeypatch):
    def broken(self, x, y, task):
        raise ZeroDivisionError("of a method's own making")

    monkeypatch.setattr(Single, "observe", broken)
    with pytest.raises(RunError, match=r"unexpected ZeroDivisionError: of a .*run\.log"):
        execute(config_of(SINGLE), tmp_path / "run", show_bar=False)
    log = (tmp_path / "run" / "run.log").read_text()
    assert "Traceback" in log
    assert "in broken" in log
    status = RunRecord(tmp_path / "run").status
    assert status["state"] == "failed"
    assert "ZeroDivisionError" in status["message"]


HOLD = """
import sys, time
from pathlib import Path
from cl_bench.results.record import RunRecord
record = RunRecord(Path(sys.argv[1]), sys.argv[2] or None)
with record.writing():
    record.start({})
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("sweep", ["", "some-sweep"])
def test_two_processes_never_write_the_same_run(tmp_path, sweep):
    cfg = config_of(SINGLE)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run"), sweep],
        env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=f"is being run by process {holder.pid} on ") as busy:
            execute(cfg, tmp_path / "run", show_bar=False)
        assert busy.value.sweep == (sweep or None)
        assert RunRecord(tmp_path / "run").status["process"]["pid"] == holder.pid
    finally:
        holder.kill()
        holder.communicate()
    execute(cfg, tmp_path / "run", show_bar=False)  # the lock went with its process
    assert state(tmp_path / "run") == "finished"


def test_a_run_that_another_process_finished_meanwhile_is_left(tmp_path, monkeypatch, caplog):
    cfg = config_of(SINGLE)
    execute(cfg, tmp_path / "run", show_bar=False)
    before = (tmp_path / "run" / "status.json").read_bytes()
    monkeypatch.setattr(executing, "learn", None)
    execute(cfg, tmp_path / "run", show_bar=False)
    assert (tmp_path / "run" / "status.json").read_bytes() == before


def test_links_in_the_way_are_not_followed(tmp_path):
    cfg = config_of(SINGLE)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="symbolic link"):
        execute(cfg, tmp_path / "run", show_bar=False)
    assert not list((tmp_path / "elsewhere").iterdir())
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("run.log", ".lock"):
        directory = tmp_path / f"run-{name}"
        directory.mkdir()
        (directory / name).symlink_to(precious)
        with pytest.raises((RunError, OSError)):
            execute(cfg, directory, show_bar=False)
        assert precious.read_text() == "mine"
    directory = tmp_path / "results"
    directory.mkdir()
    for name in ("accuracy.csv", "model.safetensors", "status.json", checkpoint.FILE):
        (directory / name).symlink_to(precious)
    execute(cfg, directory, show_bar=False)
    assert precious.read_text() == "mine"
    assert state(directory) == "finished"


def test_a_size_that_is_a_path_leads_nowhere(tmp_path):
    cfg = config_of(small("er"))
    hostile = cfg.model_copy(update={"memory": {**cfg.memory, "size": "/../../../x"}})
    assert "/" not in hostile.directory_name()


def test_a_launcher_that_takes_the_machine_away_finds_a_checkpoint(tmp_path, monkeypatch):
    # as submitit's handler does: the job is queued again, and this process leaves
    monkeypatch.setattr(Single, "observe", told_after(5, Single.observe))
    old = signal.signal(signal.SIGUSR2, lambda number, frame: sys.exit(255))
    try:
        with pytest.raises(SystemExit):
            execute(config_of([*SINGLE, "checkpoint.every=3600"]), tmp_path / "run", show_bar=False)
    finally:
        signal.signal(signal.SIGUSR2, old)
    assert state(tmp_path / "run") == "interrupted"
    _, facts = read_state(tmp_path / "run" / checkpoint.FILE)
    assert facts["run_state"]["batch"] == 5


def told_after(batches, observe):
    """``observe`` that is sent SIGUSR2 in the midst of a batch."""
    seen = []

    def told(self, x, y, task):
        seen.append(task)
        if len(seen) == batches:
            os.kill(os.getpid(), signal.SIGUSR2)
        observe(self, x, y, task)

    return told
