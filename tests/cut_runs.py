"""Runs in this process that are cut off at a checkpoint, and what is left of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cl_bench.run.checkpoint import Checkpoint
from cl_bench.run.execute import execute


def result(directory: Path) -> tuple[bytes, bytes]:
    return tuple((directory / name).read_bytes() for name in ("accuracy.csv", "model.safetensors"))


def state(directory: Path) -> str:
    return json.loads((directory / "status.json").read_text())["state"]


def cut_off(monkeypatch, saves: int) -> None:
    """The run is interrupted right after this many checkpoints."""
    save, left = Checkpoint.save, [saves]

    def save_and_stop(self, *arguments):
        save(self, *arguments)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", save_and_stop)


def interrupted(cfg, directory: Path, saves: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        cut_off(patch, saves)
        with pytest.raises(KeyboardInterrupt):
            execute(cfg, directory, show_bar=False)
    assert state(directory) == "interrupted"
