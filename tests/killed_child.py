"""The command line in a process of its own that is forked, not started: no import to wait for."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

PRELOADED = [
    "killed_child", "cl_bench.run.execute", "cl_bench.cli.main", "cl_bench.sweep.outcomes",
    "hydra.main", "sklearn.datasets", "pydantic", "pandas", "rich.console",
]  # fmt: skip


# what changes a folder, as Python's audit events name it, besides opening a file to write
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link"}


def start(arguments: list[str], cwd: Path, stop: int | None = None) -> multiprocessing.Process:
    """A child that runs ``cl-bench`` with the arguments; its output goes to ``cwd``/said.

    It is killed just before its operation number ``stop`` (from 1) on the files below ``outputs``;
    if it comes to its end, ``cwd``/operations says how many there were.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=_main, args=(arguments, str(cwd), stop), daemon=True)
    child.start()
    return child


class _Stop:
    """Counts the file operations of this process and kills it at one of them."""

    def __init__(self, number: int | None) -> None:
        self.number = number
        self.seen = 0

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            changes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            path, changes = arguments[0] if arguments else None, event in CHANGES
        if changes and isinstance(path, str | os.PathLike) and "outputs" in Path(path).parts:
            self.operation()

    def operation(self, descriptor: int = -1) -> None:
        self.seen += 1
        if self.seen == self.number:
            os.kill(os.getpid(), signal.SIGKILL)


def _main(arguments: list[str], cwd: str, stop: int | None) -> None:
    os.chdir(cwd)
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(said, stream)
    counted = _Stop(stop)
    # a process is killed here, not the machine, and disks are slow: nothing but a moment to stop at
    os.fsync = counted.operation
    sys.addaudithook(counted.audit)
    from cl_bench.cli.main import main

    sys.argv = ["cl-bench"]
    code = main(arguments)
    Path("operations").write_text(str(counted.seen))
    sys.exit(code)
