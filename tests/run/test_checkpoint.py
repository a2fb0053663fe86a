"""Checkpoints that cannot be used, cannot be written, or cost too much."""

from __future__ import annotations

import logging
import os
import pickle
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from cut_runs import cut_off, interrupted, result, state
from small_runs import small

from cl_bench.config.compose import config_of
from cl_bench.config.schema import CheckpointSettings
from cl_bench.files import atomic
from cl_bench.files.state import read_state, write_state
from cl_bench.methods.single import Single
from cl_bench.run import checkpoint, signals
from cl_bench.run import learn as learning
from cl_bench.run.checkpoint import Checkpoint
from cl_bench.run.execute import execute
from cl_bench.run.state import RunState

SINGLE = small("single")


@pytest.fixture(autouse=True)
def surroundings(caplog, monkeypatch):
    """A logger that passes all lines on, as the command line sets it up; no wait for the disk."""
    caplog.set_level(logging.DEBUG, "cl_bench")
    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: None)


def other_code(path: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoint.environment, "code_sha256", lambda: "0" * 64)


def another_seed(path: Path, monkeypatch) -> None:
    interrupted(config_of([*SINGLE, "seed=1"]), path.parent.parent / "other", 9)
    path.write_bytes((path.parent.parent / "other" / path.name).read_bytes())


def cut_short(path: Path, monkeypatch) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path: Path, monkeypatch) -> None:
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


def pickled(path: Path, monkeypatch) -> None:
    path.write_bytes(pickle.dumps({"theta": 1}))


def linked(path: Path, monkeypatch) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def foreign_state(path: Path, monkeypatch) -> None:
    write_state(path, {"theta": torch.zeros(3)}, read_state(path)[1])


def foreign_course(path: Path, monkeypatch) -> None:
    state, facts = read_state(path)
    write_state(path, state, {**facts, "run_state": {"rows": [[0.5]], "batch": -1}})


def foreign_matrix(path: Path, monkeypatch) -> None:
    state, facts = read_state(path)
    write_state(path, state, {**facts, "run_state": {**facts["run_state"], "rows": [[0.5], [0.1]]}})


def with_state(**values):
    """A valid checksum, and in the state of the run what no run can have."""

    def change(path: Path, monkeypatch) -> None:
        state, facts = read_state(path)
        write_state(path, state, {**facts, "run_state": {**facts["run_state"], **values}})

    return change


SECONDS = {"seconds_train": 1.0, "seconds_eval": 1.0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_state(timings=[]), "timings of other tasks"),
        (with_state(timings=[{"task": 0, **SECONDS}] * 2), "one task after the other"),
        (with_state(timings=[{"a": 1}, {"b": 2}]), "one task after the other"),
        (
            with_state(timings=[{"task": t, **SECONDS, "seconds_eval": -1} for t in (0, 1)]),
            "are no seconds",
        ),
        (
            with_state(timings=[{"task": t, **SECONDS, "seconds_eval": 10**400} for t in (0, 1)]),
            "are no seconds",
        ),
        (with_state(rows=[[0.1, 0.2, 7.0], [0.1, 0.1, 0.1]]), "less than or equal to 1"),
        (with_state(rows=[[0.1, 0.2, "x"], [0.1, 0.1, 0.1]]), "valid number"),
        (with_state(batch=10**9), "more batches than there are"),
        (with_state(total=1e300), "total"),
        (with_state(kernels=["\x1b[2J"]), "kernels"),
        (with_state(extra="\x1b[2J"), "extra"),
        (other_code, "it belongs to another version of cl-bench"),
        (another_seed, "it belongs to another configuration"),
        (cut_short, "cut off or damaged"),
        (flipped, "does not match its checksum"),
        (pickled, "cut off or damaged"),
        (linked, "not a plain file"),
        (foreign_state, "KeyError"),
        (foreign_course, "batch"),
        (foreign_matrix, "does not fit"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_set_aside(tmp_path, monkeypatch, change, reason):
    cfg = config_of(SINGLE)
    execute(cfg, tmp_path / "whole", show_bar=False)
    interrupted(cfg, tmp_path / "run", 9)
    change(tmp_path / "run" / checkpoint.FILE, monkeypatch)
    execute(cfg, tmp_path / "run", show_bar=False)
    assert result(tmp_path / "run") == result(tmp_path / "whole")
    (warning,) = [
        line for line in (tmp_path / "run" / "run.log").read_text().splitlines() if "WARN" in line
    ]
    assert reason in warning
    assert "\x1b" not in warning
    assert "checkpoint.safetensors.unusable1 and the run starts over" in warning
    aside = tmp_path / "run" / "checkpoint.safetensors.unusable1"
    assert aside.is_symlink() or aside.is_file()


def test_a_checkpoint_of_other_data_is_set_aside(inline, tmp_path, monkeypatch):
    words = [
        "method=single", "dataset=npz", "dataset.path=own.npz", "dataset.tasks=2",
        "model.hidden=[4]", "plots=false", "device.threads=1",
        "checkpoint.every=0",
    ]  # fmt: skip
    save_arrays(tmp_path / "own.npz", 0)
    with monkeypatch.context() as patch:
        cut_off(patch, 2)
        assert inline(*words)[0] == 130
    save_arrays(tmp_path / "own.npz", 1)
    code, out, err = inline(*words)
    assert code == 0, err
    assert "it belongs to another dataset; it is set aside" in err
    continued = tmp_path / out.splitlines()[-1]
    fresh = tmp_path / inline(*words, "outputs=fresh")[1].splitlines()[-1]
    assert result(continued) == result(fresh)


def save_arrays(path: Path, seed: int) -> None:
    """Random images of 4 classes."""
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 256, (60, 3, 3), dtype=np.uint8)
    labels = np.arange(60) % 4
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)


def test_a_checkpoint_costs_at_most_two_percent(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: now[0])
    kept = Checkpoint(tmp_path, CheckpointSettings(every=60, keep=False), {}, {})

    def costly(*arguments):
        now[0] += 3.0

    monkeypatch.setattr(checkpoint, "write_state", costly)
    now[0] = 0.5
    assert not kept.due(task_ended=True)  # a task of half a second is not worth the 20 ms
    now[0] = 2.0
    assert not kept.due(task_ended=False)
    assert kept.due(task_ended=True)
    kept.save({}, RunState())
    now[0] = 5 + 149
    assert not kept.due(task_ended=True)
    now[0] = 5 + 151
    assert kept.due(task_ended=True)
    assert kept.due(task_ended=False)  # more than 60 s


def test_an_interrupt_in_an_evaluation_does_not_cost_the_batches(inline, tmp_path, monkeypatch):
    words = [*small("single"), "checkpoint.every=3600"]
    whole = tmp_path / inline(*words, "outputs=whole")[1].splitlines()[-1]
    measure, left = learning.measure, [2]  # the untrained network, after task 1

    def terminated(*arguments):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGTERM)
        return measure(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FIRST_COST", 0.0)  # all batches of a task are worth one
        patch.setattr(learning, "measure", terminated)
        assert inline(*words)[0] == 130
    code, out, err = inline(*words, "quiet=false")
    assert code == 0, err
    assert "continued after task 0/3 and 6 batches" in err
    assert result(tmp_path / out.splitlines()[-1]) == result(whole)


def test_a_checkpoint_that_cannot_be_written_costs_a_warning(tmp_path, monkeypatch, caplog):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_state", full)
    monkeypatch.setattr(logging.getLogger("cl_bench"), "propagate", True)
    execute(config_of(SINGLE), tmp_path / "run", show_bar=False)
    assert state(tmp_path / "run") == "finished"
    assert "cannot be written: No space left on device" in caplog.text


def test_a_checkpoint_outlives_an_interrupt_that_became_another_error(tmp_path, monkeypatch):
    cfg = config_of(SINGLE)
    interrupted(cfg, tmp_path / "run", 9)
    before = (tmp_path / "run" / checkpoint.FILE).read_bytes()

    def broken(self, state):
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("as a library does that calls back from C")

    monkeypatch.setattr(Single, "load_state_dict", broken)
    with signals.terminated_like_interrupted(), pytest.raises(KeyboardInterrupt):
        execute(cfg, tmp_path / "run", show_bar=False)
    assert (tmp_path / "run" / checkpoint.FILE).read_bytes() == before
    assert state(tmp_path / "run") == "interrupted"
