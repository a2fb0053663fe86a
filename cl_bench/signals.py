"""SIGINT and SIGTERM: both interrupt a run, at a moment when its state is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Request:
    """``made``: an interrupt has been asked for."""

    made = False


# Raised while a library is being imported or calls back from C, the exception may come out as
# another one (an ImportError, say): that an interrupt was asked for is remembered apart from it.
_asked = Request()


def interrupt(number: int, frame: FrameType | None) -> None:
    """Signal handler: as if Ctrl-C had been pressed."""
    _asked.made = True
    raise KeyboardInterrupt


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Within the block SIGTERM interrupts, unless whoever started the code handles it already."""
    # a signal that is ignored (nohup) or handled by a launcher keeps its meaning
    defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ours = {
        number: default
        for number, default in defaults.items()
        if _in_main_thread() and signal.getsignal(number) == default
    }
    if ours:
        _asked.made = False
    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, default in ours.items():
            signal.signal(number, default)


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

    The block looks at the request where its state is whole and raises ``KeyboardInterrupt``. One
    that it did not get to see is raised when the block is left.
    """
    request = Request()

    def note(number: int, frame: FrameType | None) -> None:
        if request.made:
            raise KeyboardInterrupt
        request.made = True

    ours = (signal.default_int_handler, interrupt)
    old = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if _in_main_thread() and (handler := signal.getsignal(number)) in ours
    }
    for number in old:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    if request.made:
        raise KeyboardInterrupt


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
