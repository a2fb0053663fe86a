"""SIGINT and SIGTERM: both interrupt a run, at a moment when its state is whole."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

# those by which a launcher may tell a run that its machine is wanted or its time is over
LAUNCHERS_OWN = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Request:
    """``made``: an interrupt has been asked for. ``waiting``: signals that are a launcher's own."""

    def __init__(self) -> None:
        self.made = False
        self.waiting: list[Callable[[], object]] = []

    def pass_on(self) -> None:
        """Call the launcher's handlers; what they raise is theirs."""
        while self.waiting:
            self.waiting.pop(0)()


# Raised while a library is being imported or calls back from C, the exception may come out as
# another one (an ImportError, say) or not at all: that an interrupt was asked for is remembered
# apart from it.
_asked = Request()


def interrupt(number: int, frame: FrameType | None) -> None:
    """Signal handler: as if Ctrl-C had been pressed."""
    _asked.made = True
    raise KeyboardInterrupt


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Within the block SIGTERM interrupts, unless whoever started the code handles it already."""
    # a signal that is ignored (nohup) or handled by a launcher keeps its meaning
    defaults = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,  # the terminal has been closed
    }
    ours = {
        number: default
        for number, default in defaults.items()
        if _in_main_thread() and signal.getsignal(number) == default
    }
    if ours:
        _asked.made = False
    try:
        for number in ours:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, default in ours.items():
            signal.signal(number, default)
        if ours:
            _asked.made = False


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Whatever exception an interrupt has become on its way, it leaves the block as itself."""
    try:
        yield
    except Exception as error:
        if _asked.made:
            raise KeyboardInterrupt from error
        raise


@contextmanager
def deferred() -> Iterator[Request]:
    """Within the block the first signal only makes the request; a second one interrupts at once.

    The block looks at the request where its state is whole, passes on what is the launcher's and
    raises ``KeyboardInterrupt``. What it did not get to see comes when the block is left, and an
    interrupt that got lost before comes when it is entered.
    """
    request = Request()

    def note(number: int, frame: FrameType | None) -> None:
        if old[number] is interrupt:
            _asked.made = True
        if request.made:
            raise KeyboardInterrupt
        request.made = True

    def keep(number: int, frame: FrameType | None) -> None:
        request.waiting.append(partial(old[number], number, frame))

    old = _handlers()
    if _asked.made and interrupt in old.values():
        raise KeyboardInterrupt
    try:
        for number, handler in old.items():
            signal.signal(number, note if _ours(handler) else keep)
        yield request
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    request.pass_on()
    if request.made:
        raise KeyboardInterrupt


def silence_stdout() -> None:
    """Whoever read the output has gone, as head does: from now on it goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _handlers() -> dict[int, Callable]:
    """The signals that concern a run, with their handlers: ours and a launcher's."""
    if not _in_main_thread():
        return {}
    found: dict[int, Any] = {
        n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGHUP, *LAUNCHERS_OWN)
    }
    return {
        number: handler
        for number, handler in found.items()
        if _ours(handler) or (callable(handler) and number in LAUNCHERS_OWN)
    }


def _ours(handler: object) -> bool:
    return handler in (signal.default_int_handler, interrupt)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
