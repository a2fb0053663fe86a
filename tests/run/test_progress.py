import io
import logging

import pytest

from cl_bench.run import progress
from cl_bench.run.progress import Display, Progress, Rest, duration


class Run:
    """A clock that goes as a run works: ``cost(k)`` seconds a batch after k tasks, then ``end``."""

    def __init__(self, batches, cost, end=0.0):
        self.now, self.cost, self.end = 0.0, cost, end
        self.batches, self.learned = batches, 0
        self.rest = Rest(batches, lambda: self.now)

    def learn(self, tasks, busy=1.0):
        for _ in range(tasks):
            k = self.learned
            self.batch(self.batches[k], busy)
            train = self.spent
            self.now += self.end * busy
            self.rest.task(train, self.end * busy)
            self.learned += 1

    def batch(self, count, busy=1.0, start=0):
        k = self.learned
        self.spent = 0.0
        if start:
            self.rest.skip(start)
        for done in range(start + 1, start + count + 1):
            self.spent += self.cost(k) * busy
            self.now += self.cost(k) * busy
            self.rest.batch(done, self.spent)

    def truth(self, done=0):
        k = self.learned
        whole = sum(self.batches[i] * self.cost(i) + self.end for i in range(k, len(self.batches)))
        return whole - done * self.cost(k)


def test_steps_that_grow_with_every_task_are_foreseen():
    run = Run([100] * 20, lambda k: 0.01 + 0.02 * k, end=0.5)
    run.learn(2)
    assert run.rest.seconds() == pytest.approx(run.truth())
    run.learn(5)
    run.batch(40)
    assert run.rest.seconds() == pytest.approx(run.truth(40), rel=0.01)


def test_tasks_of_different_sizes_count_by_their_batches():
    run = Run([10, 100, 20, 500, 30], lambda k: 0.1)
    run.learn(2)
    assert run.rest.seconds() == pytest.approx(55)


@pytest.mark.parametrize("busy", [0.4, 3.0])
def test_a_machine_that_changes_is_noticed_within_a_task(busy):
    run = Run([100] * 20, lambda k: 0.1, end=1.0)
    run.learn(8)
    run.batch(80, busy)
    left = run.rest.seconds()
    assert left == pytest.approx(busy * run.truth(80), rel=0.2)
    run.learn(1)  # as before
    run.learn(2)
    assert run.rest.seconds() == pytest.approx(run.truth(), rel=0.05)


def test_tasks_to_come_are_never_no_time():
    # a straight line through a slow first task would say 0 s for the others
    run = Run([100] * 20, lambda k: 0.3 if k == 0 else 0.1)
    run.learn(2)
    assert run.rest.seconds() == pytest.approx(run.truth(), rel=0.3)
    run = Run([100] * 10, lambda k: 0.1, end=1.0)
    run.learn(2)
    run.batch(100)
    run.now += 1000  # an evaluation that does not end
    assert run.rest.seconds() == pytest.approx(7 * 11.0, rel=0.05)


def test_nothing_is_foreseen_before_the_first_batch_and_growth_before_the_second_task():
    run = Run([100] * 3, lambda k: 1.0)
    assert run.rest.told() == ""
    run.batch(50)
    assert run.rest.told() == "over 4 min left"
    run = Run([100], lambda k: 1.0)
    run.batch(50)
    assert run.rest.told() == "50 s left"
    run.rest.task(100, 0)
    assert run.rest.seconds() == 0


def test_a_task_that_is_continued_in_its_middle():
    run = Run([100] * 4, lambda k: 0.1)
    run.learn(1)
    run.batch(40, start=60)
    assert run.rest.seconds() == pytest.approx(20.0, rel=0.01)
    run.rest.task(4.0, 0.0)
    assert run.rest.seconds() == pytest.approx(20.0, rel=0.01)


def test_a_thousand_tasks_are_judged_by_the_latest():
    run = Run([1] * 1000, lambda k: 1.0)
    run.learn(900)
    assert run.rest.seconds() == pytest.approx(100)


def test_lines_where_there_is_no_terminal(caplog):
    with caplog.at_level(logging.INFO, logger="cl_bench"), Progress([5, 5], bar=False) as shown:
        for number in (1, 2):
            shown.begin_task()
            shown.batch(5 * number)
            shown.end_task(0.75)
    first, last = caplog.messages
    assert first.startswith("task 1/2 learned in 0.0 s, accuracy so far 0.750, 0.")
    assert first.endswith(" left")
    assert last.startswith("task 2/2 learned")


@pytest.fixture
def screen(monkeypatch):
    """The words that a terminal of 80 columns would get."""
    import sys

    import rich.console

    out = io.StringIO()
    console = rich.console.Console(file=out, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(rich.console, "Console", lambda **kwargs: console)
    monkeypatch.setattr(Display, "_one", None)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    return out


def test_a_run_and_its_sweep_share_one_display(screen):
    display = Display.shared()
    row = display.row("run 3 of 30", 30, lambda: "11.5 h left")
    row.update(None, 2, "1 failed")
    with Progress([50] * 20, bar=True) as shown:
        assert Display.shared() is display
        shown.resume([(60.0, 1.0)] * 11, 0.81234)
        shown.begin_task()
        display.bars.refresh()
        print("a line of words")
    assert Display._one is display  # the sweep's bar is still there
    row.remove()
    assert Display._one is None
    text = screen.getvalue()
    assert "task 12 of 20" in text
    assert "accuracy so far 0.812" in text
    assert "9 min left" in text
    assert "run 3 of 30" in text
    assert "1 failed" in text
    lines = [part for line in text.splitlines() for part in line.split("\r")]
    plain = [progress_line(line) for line in lines]
    assert max(map(len, plain)) <= 80
    assert "a line of words" in "\n".join(plain)


def progress_line(line):
    import re

    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)


def test_durations():
    found = [duration(seconds) for seconds in (None, 0.25, 8, 600, 9000)]
    assert found == ["?", "0.2 s", "8 s", "10 min", "2.5 h"]
    assert progress.duration(89.4) == "89 s"
