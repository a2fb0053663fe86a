"""The command line in a process of its own that is forked, not started: no import to wait for."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

PRELOADED = [
    "killed_child", "cl_bench.run.execute", "cl_bench.cli.main", "cl_bench.sweep.outcomes",
    "hydra.main", "sklearn.datasets", "pydantic", "pandas", "rich.console",
]  # fmt: skip


def start(arguments: list[str], cwd: Path) -> multiprocessing.Process:
    """A child that runs ``cl-bench`` with the arguments; its output goes to ``cwd``/said."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=_main, args=(arguments, str(cwd)), daemon=True)
    child.start()
    return child


def _main(arguments: list[str], cwd: str) -> None:
    os.chdir(cwd)
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.fsync = lambda descriptor: None  # a process is killed here, not the machine; disks are slow
    from cl_bench.cli.main import main

    sys.argv = ["cl-bench"]
    sys.exit(main(arguments))
