"""Live progress on a terminal, plain lines elsewhere; all of it on stderr."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from types import TracebackType
from typing import Any, ClassVar, NamedTuple

from cl_bench.config.target import ACCURACY, Measure

log = logging.getLogger("cl_bench")


class Progress:
    """Follows one run, whose tasks have ``batches`` batches each; ``bar`` draws a row of a live
    display, else there is one log line per task, with the ``measure`` so far."""

    def __init__(self, batches: Sequence[int], bar: bool, measure: Measure = ACCURACY) -> None:
        self.batches = list(batches)
        self.rest = Rest(self.batches)
        self.measure = measure
        self.accuracy: float | None = None  # or R²
        self._learned = 0  # tasks
        self._before = 0  # batches of these
        self._began = self._last = time.perf_counter()
        self._drawn = 0.0
        self._fresh = True  # nothing has been heard of the task at hand
        self._row: Row | None = None
        self._display = Display.shared() if bar else None

    def __enter__(self) -> Progress:
        if self._display is not None:
            self._row = self._display.row("untrained", sum(self.batches), self.rest.told)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._row is not None:
            self._row.remove()

    def resume(self, seconds: Sequence[tuple[float, float]], accuracy: float) -> None:
        """The run goes on after tasks that took ``seconds`` each: of training, of evaluation."""
        for train, evaluation in seconds:
            self.rest.task(train, evaluation)
        self.accuracy = accuracy
        self._learned = len(seconds)
        self._before = sum(self.batches[: self._learned])

    def begin_task(self) -> None:
        self._began = self._last = time.perf_counter()
        self._fresh = True
        if self._row is not None:
            name = f"task {self._learned + 1} of {len(self.batches)}"
            self._row.update(name, self._before, self._state())

    def batch(self, done: int) -> None:
        """``done`` batches of the whole run have been learned."""
        self._last = now = time.perf_counter()
        if self._fresh:
            self._fresh = False
            self.rest.skip(done - self._before - 1)
        if self._row is not None and now - self._drawn > 0.1:
            self._drawn = now
            self.rest.batch(done - self._before, now - self._began)
            self._row.update(None, done, self._state())

    def end_task(self, accuracy: float) -> None:
        """A task was learned; ``accuracy`` is the mean over the tasks learned so far."""
        now = time.perf_counter()
        self.accuracy = accuracy
        self.rest.task(self._last - self._began, now - self._last)
        self._before += self.batches[self._learned]
        self._learned += 1
        left = self.rest.told()
        log.log(
            logging.DEBUG if self._row is not None else logging.INFO,
            "task %d/%d learned in %.1f s, %s%s",
            self._learned,
            len(self.batches),
            now - self._began,
            self._state(),
            f", {left}" if left else "",
        )

    def _state(self) -> str:
        return "" if self.accuracy is None else f"{self.measure.name} so far {self.accuracy:.3f}"


class Rest:
    """How long the rest of a run will take.

    A batch takes a + b·k seconds after k tasks, b ≥ 0, since many methods look back at every task:
    the median slope and height of the tasks so far, which one slow task does not change. What the
    machine is like at the moment is a factor on all that is to come, from the latest batches.
    ``clock`` gives seconds.
    """

    def __init__(
        self, batches: Sequence[int], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.batches = batches
        self._clock = clock
        self._each: list[float] = []  # seconds a batch of every learned task
        self._ends: list[float] = []  # seconds from a task's last batch to the next task
        self._skipped = 0  # batches of the task at hand that were learned in an earlier session
        self._done, self._spent = 0, 0.0  # all of its batches, and the seconds of this session's
        # of the latest batches: their seconds, their number, and that times the tasks before them
        self._taken = self._count = self._after = 0.0
        self._at = clock()

    def skip(self, done: int) -> None:
        """An earlier session has learned ``done`` batches of the task at hand."""
        self._skipped = self._done = done

    def batch(self, done: int, spent: float) -> None:
        """``done`` batches of the task at hand; those of this session have taken ``spent``."""
        if (new := done - self._done) > 0:
            learned = len(self._each)
            fading = math.exp(-4 * new / self.batches[learned])  # a quarter of a task is "latest"
            self._taken = self._taken * fading + (spent - self._spent)
            self._count = self._count * fading + new
            self._after = self._after * fading + new * learned
        self._done, self._spent, self._at = done, spent, self._clock()

    def task(self, train: float, end: float) -> None:
        """A task was learned in ``train`` seconds; what came after took ``end``."""
        count = self.batches[len(self._each)]
        if self._done > self._skipped:
            self.batch(count, train)
        self._ends.append(end)
        self._each.append(train / max(1, count - self._skipped))
        self._skipped, self._done, self._spent, self._at = 0, 0, 0.0, self._clock()

    def seconds(self) -> float | None:
        """Of what is left; None before there is a batch to judge by."""
        learned = len(self._each)  # once: another thread may ask while a task ends
        if learned == len(self.batches):
            return 0.0
        each, count = self._each[:learned], self.batches[learned]
        here = self._done - self._skipped
        if here >= max(1, count // 10):
            each.append(self._spent / here)  # the task at hand is one more to judge by
        if not each:
            return None
        batch, end = _line(each), _line(self._ends or [0.0])
        pace = self._pace(batch, count / 40)
        own = (count - self._done) * batch(learned) + end(learned)
        later = sum(
            self.batches[k] * batch(k) + end(k) for k in range(learned + 1, len(self.batches))
        )
        # what the task at hand was to take can be over, what comes after is not
        return max(0.0, pace * own - (self._clock() - self._at)) + pace * later

    def _pace(self, batch: Callable[[float], float], some: float) -> float:
        """How much longer the latest batches took than ``batch`` says; ``some`` batches that took
        just as long keep the first few from being a judgement alone."""
        usual = self._count * batch(self._after / self._count) if self._count else 0.0
        more = some * batch(len(self._each))
        return (self._taken + more) / (usual + more) if more else 1.0

    def told(self) -> str:
        """``3 min left``; before the second task nobody knows how the tasks will grow."""
        seconds = self.seconds()
        if seconds is None:
            return ""
        least = "over " if not self._each and len(self.batches) > 1 else ""
        return f"{least}{duration(seconds)} left"


LATEST = 30  # tasks that a line is drawn through


def _line(values: Sequence[float]) -> Callable[[float], float]:
    """The line through ``values`` at 0, 1, ... by the medians of slopes (Theil and Sen, no less
    than 0) and heights; the latest ones alone if they are many."""
    first = max(0, len(values) - LATEST)
    points = list(enumerate(values))[first:]
    steps = [(y - v) / (x - u) for u, v in points for x, y in points if x > u]
    slope = max(0.0, median(steps)) if steps else 0.0
    height = median(y - slope * x for x, y in points)
    return lambda place: max(0.0, height + slope * place)


def duration(seconds: float | None) -> str:
    """``8 s``, ``3 min``, ``2.5 h``; a question mark for None."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Row(NamedTuple):
    """A bar of the display."""

    display: Display
    number: Any

    def update(self, name: str | None, done: float, state: str) -> None:
        more = {} if name is None else {"description": name}
        self.display.bars.update(self.number, completed=done, state=state, **more)

    def remove(self) -> None:
        self.display.remove(self)


class Display:
    """The live bars of this process, on stderr while there are any: a run's, and a sweep's."""

    _one: ClassVar[Display | None] = None

    @classmethod
    def shared(cls) -> Display:
        if cls._one is None:
            cls._one = cls()
        return cls._one

    def __init__(self) -> None:
        self.bars = _bars()
        self._rows = 0

    def row(self, name: str, total: float | None, left: Callable[[], str]) -> Row:
        """A new bar below the others; ``left`` is asked again and again."""
        number = self.bars.add_task(name, total=total, state="", left=left)
        self._rows += 1
        if self._rows == 1:
            self.bars.start()
        return Row(self, number)

    def remove(self, row: Row) -> None:
        self._rows -= 1
        if self._rows == 0:
            self.bars.stop()
            Display._one = None
        else:
            self.bars.remove_task(row.number)


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Left(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Any) -> Text:
            return Text(task.fields["left"](), no_wrap=True)

    # colours of the terminal's own palette, so that they show on dark and on light ones
    return RichProgress(
        TextColumn("{task.description:<13}", markup=False),
        BarColumn(
            bar_width=None, style="bright_black", complete_style="blue", finished_style="blue"
        ),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[state]}", markup=False),
        Left(),
        console=Console(file=sys.stderr, highlight=False),
        transient=True,
        expand=True,
        # what is printed on a terminal goes above the bars; what goes to a file stays what it is
        redirect_stdout=sys.stdout.isatty(),
    )
