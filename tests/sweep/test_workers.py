"""Workers of joblib end with the process that the user started, each run at a checkpoint."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import environment
from small_sweep import TINY

LONG = ("-m", "method=single", "seed=0,1,2", *TINY, "dataset.epochs=100000000",
        "checkpoint.every=0", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")  # fmt: skip


def start(cwd: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "cl_bench", *LONG],
        cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


@pytest.fixture
def sweep(tmp_path):
    """A sweep in a process group of its own, of whose runs two are being learned."""
    child = start(tmp_path)
    while len(list(tmp_path.glob("outputs/*/checkpoint.safetensors"))) < 2:
        assert child.poll() is None, child.communicate()
        time.sleep(0.05)
    yield child
    if alive(child.pid):
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_the_end_of(group: int) -> None:
    while alive(group):  # if any is left, the test's time-out says so
        time.sleep(0.1)


def check_runs(cwd: Path) -> None:
    runs = [path.parent for path in cwd.glob("outputs/*/status.json")]
    assert len(runs) == 2  # the third never began
    for run in runs:
        assert json.loads((run / "status.json").read_text())["state"] == "interrupted"
        assert (run / "checkpoint.safetensors").exists()
        assert "interrupted" in (run / "run.log").read_text()


@pytest.mark.parametrize(
    ("tell", "number"),
    [
        (os.killpg, signal.SIGINT),  # Ctrl-C in a terminal
        (os.kill, signal.SIGTERM),
        pytest.param(os.kill, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(os.kill, signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param(os.killpg, signal.SIGHUP, marks=pytest.mark.slow),  # a terminal is closed
    ],
)
def test_an_interrupt_leaves_checkpoints_and_no_traceback(sweep, tmp_path, tell, number):
    tell(sweep.pid, number)
    _, said = sweep.communicate()
    assert sweep.returncode == 130
    assert "cl-bench: interrupted" in said
    if (tell, number) != (os.killpg, signal.SIGHUP):  # there nobody sees what joblib's helper says
        assert "Traceback" not in said
    wait_for_the_end_of(sweep.pid)
    check_runs(tmp_path)


def test_workers_end_when_their_parent_is_killed(sweep, tmp_path):
    sweep.kill()
    sweep.wait()
    wait_for_the_end_of(sweep.pid)
    check_runs(tmp_path)


def test_an_interrupt_while_workers_begin_says_no_more(tmp_path):
    child = start(tmp_path)
    while not any(map(is_worker, children(child.pid))):
        assert child.poll() is None
    os.killpg(child.pid, signal.SIGINT)
    _, said = child.communicate()
    assert child.returncode == 130
    assert said == "cl-bench: interrupted; the same command goes on\n"
    wait_for_the_end_of(child.pid)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def is_worker(pid: str) -> bool:
    try:
        return b"LokyProcess" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has gone
        return False
