"""Jobs in worker processes of the one that the user started: they are told when it has to end.

joblib kills its workers as soon as their parent is interrupted, and leaves them for ever when the
parent is killed. So the parent passes an interrupt on and waits until every run has its checkpoint
and its state; and a worker looks whether its parent is still there.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM
from types import FrameType
from typing import Any

from cl_bench.run.job import this_process
from cl_bench.run.signals import interrupt

# files in a sweep's folder: it is over, though not all its runs are finished; a worker is at work
CONCLUDED, BUSY = "concluded", "busy-"  # the latter ends with a process id
INTERVAL = 0.5  # seconds between two looks


class _Worker:
    """This process, if it is a worker: one for all its jobs."""

    current: _Worker | None = None

    def __init__(self, parent: int) -> None:
        self.parent = parent
        self.busy = False
        # the terminal's signals reach the parent too, which passes them on
        for number in (SIGINT, SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(SIGTERM, self.told)
        threading.Thread(target=self.watch, daemon=True).start()

    @property
    def orphaned(self) -> bool:
        return os.getppid() != self.parent

    def told(self, number: int, frame: FrameType | None) -> None:
        if self.busy:
            interrupt(number, frame)
        if self.orphaned:
            os._exit(130)

    def watch(self) -> None:
        while not self.orphaned:
            time.sleep(INTERVAL)
        os.kill(os.getpid(), SIGTERM)


@contextmanager
def at_work(home: tuple[str, int], folder: Path) -> Iterator[None]:
    """A job of the sweep in ``folder``; nothing is special if this is no child of ``home``."""
    host, parent = home
    if _Worker.current is None and (this_process()[0], os.getppid()) == (host, parent):
        _Worker.current = _Worker(parent)
    worker = _Worker.current
    if worker is None:
        yield
        return
    sign = folder / f"{BUSY}{os.getpid()}"
    try:
        worker.busy = True
        sign.touch()
        if (folder / CONCLUDED).exists():
            raise KeyboardInterrupt
        yield
    finally:
        worker.busy = False
        sign.unlink(missing_ok=True)
        if worker.orphaned:  # nobody waits for what comes of it, and no other job may begin
            os._exit(130)


@contextmanager
def interrupts_passed_on(current: Callable[[], Path | None]) -> Iterator[None]:
    """Within the block an interrupt waits for the workers of the sweep in the folder ``current``;
    None before there is one. A second interrupt waits for nothing."""
    waiting = False
    ours: dict[int, Any] = {
        number: signal.getsignal(number) for number in (SIGINT, SIGTERM, SIGHUP)
    }
    ours = {n: old for n, old in ours.items() if old in (interrupt, signal.default_int_handler)}

    def pass_on(number: int, frame: FrameType | None) -> None:
        nonlocal waiting
        folder = current()
        if folder is not None and folder.is_dir() and not waiting:
            waiting = True
            _end_workers(folder)
        ours[number](number, frame)

    if threading.current_thread() is not threading.main_thread():
        ours = {}
    for number in ours:
        signal.signal(number, pass_on)
    try:
        with _ctrl_c_for_us_alone():
            yield
    finally:
        for number, old in ours.items():
            signal.signal(number, old)


@contextmanager
def _ctrl_c_for_us_alone() -> Iterator[None]:
    """Processes that are started within the block never see Ctrl-C, not even while they begin.

    They inherit what the thread that starts them has blocked; another one takes the signal.
    """
    over = threading.Event()

    def take() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {SIGINT})
        over.wait()

    resource_tracker.ensure_running()  # which unblocks what was blocked when it is started
    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        over.set()
        thread.join()


def _end_workers(folder: Path) -> None:
    """Let no further job begin, and wait until those at work have written what they have."""
    (folder / CONCLUDED).touch()
    told = set()
    while working := {int(path.name.removeprefix(BUSY)) for path in folder.glob(f"{BUSY}*")}:
        for pid in working:
            try:
                os.kill(pid, 0 if pid in told else SIGTERM)
            except ProcessLookupError:
                (folder / f"{BUSY}{pid}").unlink(missing_ok=True)
        told |= working
        time.sleep(0.05)
