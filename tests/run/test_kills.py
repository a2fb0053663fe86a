"""Real processes, killed at random moments: the next goes on, and the numbers are the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import killed_child
import pytest
from small_runs import KILLED, METHODS, small

LONG = ("dataset.epochs=4",)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def status(directory: Path) -> dict:
    try:
        return json.loads((directory / "status.json").read_text())
    except FileNotFoundError:
        return {}


def finish(arguments: list[str], cwd: Path) -> Path:
    """Run to the end; the run's directory."""
    child = killed_child.start(arguments, cwd)
    child.join()
    assert child.exitcode == 0, (cwd / "said").read_text()
    return cwd / (cwd / "said").read_text().splitlines()[-1]


def kill_at_random(
    arguments: list[str], cwd: Path, directory: Path, number: int, wait: float
) -> bool:
    """Start the run and send the signal while it learns; False if it came too late."""
    child = killed_child.start(arguments, cwd)
    while status(directory).get("process", {}).get("pid") != child.pid:
        assert child.is_alive(), (cwd / "said").read_text()
        time.sleep(0.002)
    time.sleep(wait)
    if status(directory)["state"] != "running":
        child.join()
        return False
    with suppress(ProcessLookupError):
        os.kill(child.pid, number)
    child.join()
    if child.exitcode == 0 or status(directory)["state"] == "finished":
        return False  # the signal came in the last moments, when all was done
    if number == signal.SIGKILL:
        assert child.exitcode == -signal.SIGKILL
    else:
        assert child.exitcode == 130, (cwd / "said").read_text()
        assert status(directory)["state"] == "interrupted", (cwd / "said").read_text()
    return True


def survive(method: str, kills: int, tmp_path: Path) -> None:
    arguments = small(method, *LONG)
    (tmp_path / "whole").mkdir()
    whole = finish(arguments, tmp_path / "whole")
    seconds = json.loads((whole / "metrics.json").read_text())["seconds_train"]
    numbers = [SIGNALS[i % len(SIGNALS)] for i in range(kills)]
    draw = random.Random(f"{method} {kills}")  # the moments differ with the machine, not these
    draw.shuffle(numbers)
    attempt, longest = 0, 0.5 * seconds / kills
    while numbers:
        attempt += 1
        cwd = tmp_path / f"killed{attempt}"
        cwd.mkdir()
        directory = cwd / whole.relative_to(tmp_path / "whole")
        while numbers and kill_at_random(
            arguments, cwd, directory, numbers[-1], draw.uniform(0, longest)
        ):
            numbers.pop()
        longest /= 2  # on a busy machine the run may have been over too soon
        if status(directory)["state"] != "finished":
            finish(arguments, cwd)
        for name in ("accuracy.csv", "model.safetensors", "diagnostics.json"):
            assert (directory / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize("method", KILLED)
def test_killed_at_random_moments(tmp_path, method):
    survive(method, 3, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_killed_many_times(tmp_path, method):
    survive(method, 12, tmp_path)
