"""Shared by all tests: the command line as a user runs it, and small things to run it on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cl_bench.config import origins
from cl_bench.datasets import Arrays

ROOT = Path(__file__).parent.parent
DIGITS = "dataset=digits_permutations"

# a small stream of permutations, as the section `dataset` of a config
STREAM = {
    "name": "p", "source": "tiny", "path": None, "stream": "permutations", "scenario": "domain",
    "tasks": 3, "samples_per_task": 20, "batch_size": 5, "epochs": 1, "validation": 0.0,
    "blur": 0.0, "order": None, "order_seed": None, "tune_tasks": 0, "phase": "learn", "seed": 0,
}  # fmt: skip

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell that runs the tests in the background has their children ignore Ctrl-C too
    signal.signal(signal.SIGINT, signal.default_int_handler)

torch.set_num_threads(1)  # the tests themselves run in parallel


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failure is told when it happens: the end may be minutes away, or never come."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = crash.message.splitlines()[0] if crash is not None and crash.message else ""
        print(
            f"\nFAILED {report.nodeid} ({report.when}): {reason}", file=sys.__stderr__, flush=True
        )


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run ``cl-bench`` with arguments in an empty directory, stdout and stderr captured."""

    def run(*arguments: str, env: dict[str, str] | None = None, cwd: Path = tmp_path):
        return subprocess.run(
            [sys.executable, "-m", "cl_bench", *arguments],
            cwd=cwd,
            env=environment(env),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnFolder]:
    """A folder of one's own, ``mylab`` where the test's commands run."""
    yield OwnFolder(tmp_path / "mylab")
    monkeypatch.undo()
    origins.include([])


class OwnFolder:
    """Files with choices; :meth:`include` makes them known in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def include(self) -> None:
        origins.include([self.folder])


@pytest.fixture
def inline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """The same in this process, for what needs no fresh start: (exit code, stdout, stderr)."""
    from hydra.core.global_hydra import GlobalHydra

    from cl_bench.cli.main import main

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["cl-bench"])
        GlobalHydra.instance().clear()
        code = main(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return run


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """An environment in which a child process imports this checkout and keeps to one thread."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **(extra or {})}


@pytest.fixture
def tiny() -> Arrays:
    """60 + 30 random 4x4 images of 3 classes."""
    draw = np.random.default_rng(0)
    return Arrays(
        "tiny",
        draw.integers(0, 256, (60, 4, 4), dtype=np.uint8),
        draw.integers(0, 3, 60),
        draw.integers(0, 256, (30, 4, 4), dtype=np.uint8),
        draw.integers(0, 3, 30),
        3,
        "0" * 64,
        "a test",
    )


def pytest_terminal_summary(terminalreporter) -> None:
    """The largest difference between a method and its reference in tests/fidelity, a line each."""
    found: dict[str, float] = {}
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in getattr(report, "user_properties", []):
            if name == "largest_difference":
                method = Path(report.location[0]).stem.removeprefix("test_")
                found[method] = max(found.get(method, 0.0), value)
    if found:
        terminalreporter.section("largest difference from the reference, float64")
        for method, value in sorted(found.items()):
            terminalreporter.write_line(f"{method:12} {value:.1e}")
