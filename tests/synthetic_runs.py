"""Run directories as a run leaves them, with accuracies of one's own choice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from cl_bench import metrics
from cl_bench.metrics.base import Measured
from cl_bench.results.record import RunRecord

LEARNED = 0.9  # accuracy right after learning
UNTRAINED = 0.1


def write_run(
    root: Path,
    method: str = "single",
    seed: int = 0,
    final: Sequence[float] = (0.5, 0.6, 0.7),
    *,
    state: str = "finished",
    message: str = "",
    memory: int | None = None,
    commit: str = "a" * 40,
    names: Sequence[str] | None = None,
    folder: str | None = None,
    **settings: Any,
) -> Path:
    """A run that ends with the accuracies ``final``; ``settings`` as in ``dataset__order="B"``."""
    config: dict[str, Any] = {
        "method": {"name": method, "lr": 0.1},
        "dataset": {
            "name": "digits", "scenario": "domain", "tasks": len(final), "samples_per_task": 100,
            "epochs": 1, "batch_size": 10, "order": None, "order_seed": None, "seed": seed,
        },
        "model": {"name": "mlp", "hidden": [100, 100]},
        "memory": {"name": "ring", "size": memory} if memory else {"name": "none", "size": 0},
        "device": {"name": "cpu", "threads": 1},
        "seed": seed,
        "outputs": str(root),
    }  # fmt: skip
    for key, value in settings.items():
        section, _, name = key.partition("__")
        config[section][name] = value
    words = f"{config}{commit}{state}"
    directory = root / (
        folder or f"{method}-seed{seed}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"
    )
    with mock.patch("os.fsync"):  # dozens of small runs: whether they survive a crash is no matter
        _write(directory, config, state, message, final, commit, names)
    return directory


def _write(
    directory: Path,
    config: dict[str, Any],
    state: str,
    message: str,
    final: Sequence[float],
    commit: str,
    names: Sequence[str] | None,
) -> None:
    record = RunRecord(directory)
    record.start(config)
    if state == "finished":
        tasks = len(final)
        matrix = np.full((tasks + 1, tasks), UNTRAINED)
        for row in range(1, tasks + 1):
            matrix[row, :row] = LEARNED
        matrix[-1] = final
        stream = repr(sorted((k, v) for k, v in config["dataset"].items() if k != "batch_size"))
        record.write(
            list(names or (f"permutation {i + 1}" for i in range(tasks))),
            matrix,
            metrics.compute(Measured(matrix, {
                "parameters": 1000, "memory_bytes": 64 * config["memory"]["size"],
                "seconds_total": 2.0 + config["seed"], "peak_rss_bytes": 2**28,
            })),
            {
                "cl_bench": "0.1.0", "code": {"commit": commit, "changed": False},
                "dataset": {"sha256": "d" * 64}, "packages": {"torch": "2.13.0"}, "device": "cpu",
                "stream_sha256": hashlib.sha256(stream.encode()).hexdigest(),
            },
            {},
            [{"task": row, "seconds_train": 0.1, "seconds_eval": 0.1} for row in range(tasks + 1)],
        )  # fmt: skip
    record.mark(state, message)
