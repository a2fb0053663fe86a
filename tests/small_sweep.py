"""A sweep of six runs, two of which finish, as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from conftest import DIGITS, environment

TINY = (DIGITS, "dataset.tasks=2", "dataset.samples_per_task=60", "plots=false", "device.threads=1",
        "model.hidden=[12]", "-q")  # fmt: skip
SWEPT = ("-m", "method=single", "method.lr=1e30,0.1,-1", "seed=0,1")


def results(outputs: Path) -> dict[str, tuple[str, bytes | None]]:
    """State and accuracies of every run."""
    found = {}
    for path in sorted(outputs.glob("*/status.json")):
        table = path.parent / "accuracy.csv"
        content = table.read_bytes() if table.exists() else None
        found[path.parent.name] = json.loads(path.read_text())["state"], content
    return found


def launch(cwd: Path, *more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "cl_bench", *SWEPT, *TINY, *more],
        cwd=cwd, env=environment(), capture_output=True, text=True,
    )  # fmt: skip


def check(done: subprocess.CompletedProcess, cwd: Path) -> None:
    """Two runs are printed, four are listed as failures with their reasons."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    printed = [cwd / line for line in done.stdout.splitlines()]
    assert len(printed) == 2
    assert all((directory / "metrics.json").is_file() for directory in printed)
    _, _, listed = done.stderr.partition("cl-bench: 4 of 6 runs failed:\n")
    lines = listed.splitlines()
    assert len(lines) == 4
    assert sum("diverged: the parameters are no longer finite" in line for line in lines) == 2
    assert sum("failed: method.lr=-1: should be greater than 0" in line for line in lines) == 2
    for line in lines:
        directory = cwd / "outputs" / line.split(":")[0].strip()
        message = json.loads((directory / "status.json").read_text())["message"]
        assert message in line
