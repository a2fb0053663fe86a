"""Disks that are full or not writable, and configs that reach for what is not theirs."""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path

import pytest
from conftest import DIGITS

from cl_bench.files.atomic import write_atomic
from cl_bench.files.untrusted import complain, run_directories

TINY = (DIGITS, "dataset.tasks=2", "dataset.samples_per_task=60", "plots=false", "device.threads=1",
        "method=single")  # fmt: skip


@pytest.fixture
def disk(tmp_path):
    """A file system of 600 kB of its own where that can be had; else a plain folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        warnings.warn("no tmpfs can be mounted here: a full disk is imitated", stacklevel=1)
    yield folder, mounted.returncode == 0
    if mounted.returncode == 0:
        subprocess.run(["umount", str(folder)], check=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_full_disk_is_told_and_spares_earlier_results(inline, disk, monkeypatch):
    outputs, real = disk
    code, _, err = inline(*TINY, "model.hidden=[8]", f"outputs={outputs}")
    assert code == 0, err
    before = contents(outputs)
    if not real:
        written = write_atomic

        def full(path, content):
            if len(content) > 500_000:
                raise OSError(28, "No space left on device", str(path))
            written(path, content)

        monkeypatch.setattr("cl_bench.files.state.write_atomic", full)
    code, _, err = inline(*TINY, "model.hidden=[2000]", f"outputs={outputs}", "checkpoint.every=0")
    assert code == 1
    assert "checkpoint.safetensors cannot be written: No space left on device" in err
    assert "model.safetensors: No space left on device; make room" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert {name: contents(outputs)[name] for name in before} == before
    states = sorted('"failed"' in p.read_text() for p in outputs.glob("*/status.json"))
    assert states == [False, True]


def test_a_directory_that_cannot_be_written_is_told(inline, disk, monkeypatch):
    outputs, real = disk
    if real:
        subprocess.run(["mount", "-o", "remount,ro", str(outputs)], check=True)
    else:
        outputs = Path("/proc/cl-bench")  # nobody may make a folder there
    code, out, err = inline(*TINY, f"outputs={outputs}")
    assert code == 1
    assert out == ""
    assert "choose another outputs=DIR" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "override",
    [
        "method.name=${oc.env:SECRET}",
        "dataset.order=${oc.env:SECRET}",
        "model.init=${oc.decode:'${oc.env:SECRET}'}",
        "+method.key=${oc.env:SECRET}",
    ],
)
def test_the_environment_does_not_get_into_results(inline, tmp_path, monkeypatch, override):
    monkeypatch.setenv("SECRET", "squeamish")
    code, out, err = inline(*TINY, override)
    assert code == 2
    assert "squeamish" not in out + err
    assert not list(tmp_path.rglob("config.yaml"))


def test_the_place_of_the_results_may_come_from_the_environment(inline, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    code, _, err = inline(*TINY, "outputs=${oc.env:SCRATCH}/runs")
    assert code == 0, err
    assert len(list(tmp_path.glob("scratch/runs/*/metrics.json"))) == 1


@pytest.mark.parametrize(
    "override",
    ["+method._target_=os.mkdir", "method.name=../../x", "method.implementation=../../x",
     "dataset.stream=os.path", "model.name=/etc/passwd", "dataset.name=a/b", "memory.name=.."],
)  # fmt: skip
def test_names_lead_nowhere(inline, tmp_path, override):
    code, _, err = inline(*TINY, override)
    assert code == 2
    assert err.startswith("cl-bench: ")
    assert not list(tmp_path.iterdir())


def test_runs_are_looked_for_however_deep(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert list(run_directories([tmp_path])) == []
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # Python's own way has a limit


def test_hidden_directories_are_entered_only_where_they_are_named(tmp_path):
    for name in ("a", ".b/c", "d/.e"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "status.json").touch()
    assert list(run_directories([tmp_path])) == [tmp_path / "a"]
    assert list(run_directories([tmp_path / ".b"])) == [tmp_path / ".b" / "c"]


def test_a_sentence_keeps_its_lines_and_steers_no_terminal(capsys):
    complain("Tried:\n  - the \x1b[31mcache\n  - the web")
    assert capsys.readouterr() == ("", "cl-bench: Tried:\n  - the \ufffd[31mcache\n  - the web\n")
