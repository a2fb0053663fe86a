"""Live progress on a terminal, plain lines elsewhere; all of it on stderr."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType

log = logging.getLogger("cl_bench")


class Progress:
    """Follows one run of ``tasks`` tasks; ``bar`` draws a live bar, else one log line per task."""

    def __init__(self, tasks: int, batches: int, bar: bool) -> None:
        self.tasks = tasks
        self.seconds: list[float] = []  # of each finished task, evaluation included
        self.accuracy: float | None = None
        self._began = time.perf_counter()
        self._drawn = 0.0
        self._bar = _bar(batches) if bar else None
        if self._bar is not None:
            self._row = self._bar.add_task("untrained", total=batches, state="")

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def resume(self, seconds: list[float], accuracy: float) -> None:
        """The run goes on after tasks that took ``seconds`` each."""
        self.seconds, self.accuracy = list(seconds), accuracy

    def begin_task(self) -> None:
        self._began = time.perf_counter()
        if self._bar is not None:
            self._bar.update(self._row, description=f"task {len(self.seconds) + 1}/{self.tasks}")

    def batch(self, done: int) -> None:
        """``done`` batches of the whole run have been learned."""
        now = time.perf_counter()
        if self._bar is not None and now - self._drawn > 0.1:
            self._drawn = now
            self._bar.update(self._row, completed=done, state=self._state(now - self._began))

    def end_task(self, accuracy: float) -> None:
        """A task was learned; ``accuracy`` is the mean over the tasks learned so far."""
        self.accuracy = accuracy
        self.seconds.append(time.perf_counter() - self._began)
        level = logging.DEBUG if self._bar is not None else logging.INFO
        log.log(
            level,
            "task %d/%d learned in %.1f s, %s",
            len(self.seconds),
            self.tasks,
            self.seconds[-1],
            self._state(0),
        )

    def _state(self, spent: float) -> str:
        known = "" if self.accuracy is None else f"accuracy so far {self.accuracy:.3f}, "
        left = remaining(self.seconds, self.tasks)
        return known + ("" if left is None else f"{max(0, left - spent):.0f} s left")


def remaining(seconds: list[float], tasks: int) -> float | None:
    """Expected seconds for the tasks to come, from those of the finished ones.

    A straight line through the past times: methods that look back at every past task take longer
    with each one. None before the first task has finished.
    """
    done = len(seconds)
    if done == 0:
        return None
    mean, middle = sum(seconds) / done, (done - 1) / 2
    spread = sum((i - middle) ** 2 for i in range(done))
    slope = (
        sum((i - middle) * (s - mean) for i, s in enumerate(seconds)) / spread if spread else 0.0
    )
    return sum(max(0.0, mean + slope * (i - middle)) for i in range(done, tasks))


def _bar(batches: int):
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description:>12}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}"),
        console=Console(file=sys.stderr),
        transient=True,
    )
