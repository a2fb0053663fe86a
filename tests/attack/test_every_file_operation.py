"""A run is killed at each of its file operations in turn; the next command completes it.

What is counted are the operations that change what is in the folder of results: a file opened to
be written, flushed, renamed, removed, its mode changed, a folder made. The process is killed just
before one of them, so that every state of the folder in which a kill can find it is met.
"""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import killed_child
import pytest
from small_runs import KILLED, METHODS, small

DRAWN = 2  # stops of every method in the short test
COMPARED = ("accuracy.csv", "model.safetensors", "diagnostics.json")
# two tasks of two batches, and a checkpoint after each of them
BRIEF = ("dataset.samples_per_task=20", "dataset.tasks=2")
BRIEF_SPLIT = ("dataset.samples_per_task=20",)


def brief(method: str) -> list[str]:
    return small(method, *(BRIEF_SPLIT if method == "icarl" else BRIEF))


def ran(arguments: list[str], cwd: Path, stop: int | None = None) -> int | None:
    child = killed_child.start(arguments, cwd, stop)
    child.join()
    return child.exitcode


def said(cwd: Path) -> str:
    return (cwd / "said").read_text()


def uninterrupted(arguments: list[str], cwd: Path) -> tuple[Path, int]:
    """The directory of the whole run, and the number of its file operations."""
    cwd.mkdir()
    assert ran(arguments, cwd) == 0, said(cwd)
    return cwd / said(cwd).splitlines()[-1], int((cwd / "operations").read_text())


def stop_and_go_on(arguments: list[str], cwd: Path, stop: int, whole: Path) -> None:
    cwd.mkdir()
    assert ran(arguments, cwd, stop) == -signal.SIGKILL, f"operation {stop}: {said(cwd)}"
    assert ran(arguments, cwd) == 0, f"after operation {stop}: {said(cwd)}"
    directory = cwd / said(cwd).splitlines()[-1]
    for name in COMPARED:
        assert (directory / name).read_bytes() == (whole / name).read_bytes(), (stop, name)
    assert json.loads((directory / "status.json").read_text())["state"] == "finished"
    left = {path.name for path in directory.iterdir()} - {p.name for p in whole.iterdir()}
    assert not left, f"operation {stop} leaves {left}"


def attack(method: str, folder: Path, drawn: int | None) -> None:
    """Stop at ``drawn`` operations, the same ones every time; None: at every one."""
    arguments = brief(method)
    whole, operations = uninterrupted(arguments, folder / "whole")
    assert operations > 30
    stops = list(range(1, operations + 1))
    if drawn is not None:
        stops = sorted(random.Random(method).sample(stops, drawn))
    for stop in stops:
        stop_and_go_on(arguments, folder / f"stopped{stop}", stop, whole)


@pytest.mark.parametrize("method", KILLED)
def test_stopped_at_drawn_operations(tmp_path, method):
    attack(method, tmp_path, DRAWN)


def test_stopped_at_the_last_operations(tmp_path):
    """While the results are written, and when nothing but the checkpoint is left to remove."""
    arguments = brief("single")
    whole, operations = uninterrupted(arguments, tmp_path / "whole")
    for stop in range(operations - 14, operations + 1, 2):
        stop_and_go_on(arguments, tmp_path / f"stopped{stop}", stop, whole)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("method", METHODS)
def test_stopped_at_every_operation(tmp_path, method):
    attack(method, tmp_path, None)
