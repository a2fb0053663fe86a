"""A run learns its stream task by task and is measured after each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from cl_bench.errors import Diverged
from cl_bench.run.build import Run
from cl_bench.run.checkpoint import Checkpoint
from cl_bench.run.evaluate import Row, batches_to_test, mean_seen, measure, only_seen
from cl_bench.run.progress import Progress
from cl_bench.run.signals import deferred
from cl_bench.run.state import Evaluated, RunState
from cl_bench.streams.task import Task


def learn(
    run: Run,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
    run_state: RunState | None = None,
) -> tuple[np.ndarray, list[dict[str, float]]]:
    """One pass over the stream: accuracy matrix (S+1, T) after S stays in T tasks, NaN where it was
    not measured, and the seconds of every row.

    ``run_state`` says how far the run, whose method's state is loaded, has come already; it is kept
    up to date, and saved to ``checkpoint`` on the way.
    """
    stream, method = run.stream, run.method
    run_state = run_state or RunState()
    if not run_state.rows:
        with _timed(run.device) as seconds:
            run_state.rows.append(measure(run, 0))
        run_state.timings.append({"task": 0, "seconds_train": 0.0, "seconds_eval": seconds()})
    for row, task in enumerate(stream.stays, start=1):
        if row < len(run_state.rows):
            run.pass_over(task)
            continue
        progress.begin_task()
        earlier = run_state.seconds
        with _timed(run.device) as clock:
            run.pass_over(task, run_state.batch)
            method.train(True)
            told = run.scenario.in_training(task)
            if told is not None and not run_state.batch:
                begin_task(run, task)
            _observe(run, task, progress, checkpoint, run_state, clock)
            if not method.finite():  # before the method makes more of them
                raise Diverged(
                    f"the parameters are no longer finite after task {row}; {method.advice()}"
                )
            if told is not None:
                end_task(run, task)
        run_state.seconds = earlier + clock()
        with _timed(run.device) as seconds:
            run_state.rows.append(measure(run, row, run_state.rows[-1]))
        if run.cfg.evaluate_every is not None:
            _note(run, row, run_state, only_seen(run, row, run_state.rows[row]))
        evaluated = run_state.seconds_eval + seconds()
        run_state.timings.append(
            {"task": row, "seconds_train": run_state.seconds, "seconds_eval": evaluated}
        )
        run.tracker.task(row, run_state.rows[row], run_state.timings[row])
        run_state.batch, run_state.seconds, run_state.seconds_eval = 0, 0.0, 0.0
        progress.end_task(mean_seen(run, row, run_state.rows[row]))
        if checkpoint is not None and checkpoint.due(task_ended=True):
            checkpoint.save(method.state_dict(), run_state)
    return np.array(run_state.rows, dtype=np.float64), run_state.timings


def begin_task(run: Run, task: Task) -> None:
    """The method and its optimiser are told that the task begins."""
    run.method.optimizer.begin_task(run.stream.batches(task), run.stream.settings.epochs)
    run.method.begin_task(task)


def end_task(run: Run, task: Task) -> None:
    """They are told that it is over."""
    run.method.end_task(task)
    run.method.optimizer.end_task()


def _observe(
    run: Run,
    task: Task,
    progress: Progress,
    checkpoint: Checkpoint | None,
    run_state: RunState,
    clock: Clock,
) -> None:
    """The batches of a task, from where the run stands; interrupts come between two of them."""
    earlier, done = run_state.seconds, sum(map(run.stream.batches, run.stream.stays[: task.stay]))
    count = run.stream.batches(task)
    per_pass = count // run.stream.settings.epochs
    known = run.scenario.in_training(task)
    to_test = batches_to_test(run, task)
    with deferred() as interrupt:
        for x, y in run.stream.train_batches(task, run_state.batch):
            run.scenario.observe(y)
            run.method.net.meet(x, y)
            run.method.observe(x, y, known)
            run_state.batch += 1
            if known is not None and run_state.batch % per_pass == 0:
                run.method.end_epoch(known)
            progress.batch(done + run_state.batch)
            if run_state.batch in to_test:
                run_state.seconds = earlier + clock()
                with clock.stopped() as seconds:
                    row = measure(run, task.stay + 1, run_state.rows[-1], within=True)
                    run.method.train(True)
                run_state.seconds_eval += seconds()
                _note(run, task.stay + 1, run_state, row)
            told = interrupt.made or interrupt.waiting
            # after the last batch too: the method's end of the task and the evaluation can be
            # long, and an interrupt in them must not cost the batches
            if checkpoint is not None and (told or checkpoint.due(run_state.batch == count)):
                run_state.seconds = earlier + clock()
                checkpoint.save(run.method.state_dict(), run_state)
            interrupt.pass_on()
            if interrupt.made:
                break


def _note(run: Run, stay: int, run_state: RunState, accuracy: Row) -> None:
    """The curve goes on to where the run stands."""
    passes = run.method.net.passes
    before = sum(row["seconds_train"] for row in run_state.timings)
    run_state.curve.append(
        Evaluated(
            stay=stay,
            batch=run_state.batch,
            forward_passes=passes.forward,
            backward_passes=passes.backward,
            seconds_train=before + run_state.seconds,
            accuracy=accuracy,
        )
    )


class Clock:
    """Seconds since it was made, but for those in which it was stopped."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._began = time.perf_counter()
        self._taken: float | None = None

    def __call__(self) -> float:
        return self._taken if self._taken is not None else time.perf_counter() - self._began

    def end(self) -> None:
        """Stop for good, once the device has done what it was asked to do."""
        self._wait()
        self._taken = self()

    @contextmanager
    def stopped(self) -> Iterator[Clock]:
        """Yields another clock for the block, which this one does not count."""
        self._wait()
        other = Clock(self._device)
        yield other
        other.end()
        self._began += other()

    def _wait(self) -> None:
        if self._device.type != "cpu":
            getattr(torch, self._device.type).synchronize()


@contextmanager
def _timed(device: torch.device) -> Iterator[Clock]:
    """Yields a clock that gives the seconds so far, and the block's once it is left."""
    clock = Clock(device)
    yield clock
    clock.end()
