"""A real Slurm of one node: job arrays, and runs whose machine is taken away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DIGITS, environment
from small_sweep import check, launch, results

pytestmark = pytest.mark.cluster
SCRIPT = Path(__file__).parent / "slurm.sh"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo")
LONG = (
    "-m", "method=gem", "seed=0,1", DIGITS, "dataset.tasks=3", "dataset.samples_per_task=null",
    "memory.size=60", "model.hidden=[40]", "plots=false", "device.threads=1",
    "-q",
)  # fmt: skip


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The Slurm that SLURM_CONF names, or one that is started and stopped here."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    if "SLURM_CONF" in os.environ:
        yield
        return
    if os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)):
        pytest.skip(f"needs root and the programs of Slurm: {SCRIPT} install")
    folder = tmp_path_factory.mktemp("slurm")
    up = subprocess.run([SCRIPT, "up", folder], capture_output=True, text=True)
    assert up.returncode == 0, up.stderr
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    yield
    del os.environ["SLURM_CONF"]
    subprocess.run([SCRIPT, "down", folder], check=True)


def test_a_job_array_agrees_with_runs_one_after_the_other(slurm, tmp_path):
    for name, more in (("sequential", ()), ("slurm", ("hydra/launcher=submitit_slurm",))):
        (tmp_path / name).mkdir()
        done = launch(tmp_path / name, *more)
        if name == "sequential":
            check(done, tmp_path / name)
        assert done.returncode == 1, done.stderr
        assert "cl-bench: 4 of 6 runs failed:" in done.stderr
    found = results(tmp_path / "slurm" / "outputs")
    assert found == results(tmp_path / "sequential" / "outputs")
    assert sum(state == "finished" for state, _ in found.values()) == 2
    arrays = list((tmp_path / "slurm" / "outputs").rglob("*_submission.sh"))
    assert len(arrays) == 1
    assert "#SBATCH --array=0-5" in arrays[0].read_text()


def start(cwd: Path, *more: str) -> subprocess.Popen:
    cwd.mkdir()
    with (cwd / "said").open("w") as said:
        command = [sys.executable, "-m", "cl_bench", *LONG, *more]
        return subprocess.Popen(command, cwd=cwd, env=environment(), stdout=said, stderr=said)


def jobs(*states: str) -> dict[str, str]:
    """Slurm's number of every job in these states, by its place in the array."""
    command = ["squeue", "-h", "-r", "-o", "%K %i", "-t", ",".join(states)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def learning(outputs: Path) -> bool:
    logs = [path.read_text() for path in outputs.glob("*/run.log")]
    return len(logs) == 2 and all("task 1/3 learned" in log for log in logs)


@pytest.mark.timeout(3600)
def test_jobs_that_lose_their_machine_are_queued_again_and_go_on(slurm, tmp_path):
    """On a fast machine a run can be over before it is told: then it is a longer one's turn."""
    for epochs in (50, 200, 800):
        folder = tmp_path / f"{epochs}"
        folder.mkdir()
        if lose_the_machine(folder, f"dataset.epochs={epochs}"):
            return
    pytest.fail("every run was over before its machine was taken away")


def lose_the_machine(tmp_path: Path, length: str) -> bool:
    """False if a job had ended before it was requeued."""
    whole = start(tmp_path / "whole", length)
    assert whole.wait() == 0, (tmp_path / "whole" / "said").read_text()
    sweep = start(tmp_path / "sweep", length, "hydra/launcher=submitit_slurm")
    outputs = tmp_path / "sweep" / "outputs"
    try:
        while not learning(outputs):
            if sweep.poll() == 0:
                return False
            assert sweep.poll() is None, (tmp_path / "sweep" / "said").read_text()
            time.sleep(0.1)
        running = jobs("RUNNING")
        if running.keys() != {"0", "1"}:
            return False
        # out of time, or preempted by a Slurm that says so; and preempted without a word
        told = subprocess.run(["scancel", "--signal=USR2", running["0"]])
        taken = subprocess.run(["scontrol", "requeue", running["1"]])
        if told.returncode or taken.returncode:
            return False
        while sweep.poll() is None:
            for job in jobs("PENDING").values():  # else they wait for two minutes
                subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"])
            time.sleep(1)
    finally:
        if sweep.poll() is None:
            sweep.send_signal(signal.SIGKILL)
            for job in jobs("PENDING", "RUNNING").values():
                subprocess.run(["scancel", job])
    assert sweep.returncode == 0, (tmp_path / "sweep" / "said").read_text()
    directories = [path.parent for path in outputs.glob("*/status.json")]
    assert len(directories) == 2
    facts = [json.loads((directory / "environment.json").read_text()) for directory in directories]
    if min(fact["sessions"] for fact in facts) == 1:
        return False
    for directory in directories:
        assert json.loads((directory / "environment.json").read_text())["sessions"] == 2
        assert "continued after" in (directory / "run.log").read_text()
        for name in ("accuracy.csv", "model.safetensors", "diagnostics.json"):
            other = tmp_path / "whole" / "outputs" / directory.name / name
            assert (directory / name).read_bytes() == other.read_bytes(), name
    return True
