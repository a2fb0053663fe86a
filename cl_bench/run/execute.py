"""The life of one run in its directory: locked, taken up where it was left, recorded."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cl_bench import metrics
from cl_bench.config import origins
from cl_bench.config.schema import RunConfig
from cl_bench.config.target import measure_of
from cl_bench.errors import Diverged, RunError, UsageError, os_sentence
from cl_bench.files.state import write_state
from cl_bench.metrics.base import Curve, Measured
from cl_bench.results.record import RunRecord
from cl_bench.run import environment
from cl_bench.run.build import Run, prepare
from cl_bench.run.checkpoint import Checkpoint, stamp
from cl_bench.run.evaluate import evaluate, in_heads, mean_seen
from cl_bench.run.learn import learn
from cl_bench.run.progress import Progress
from cl_bench.run.room import is_lack_of_memory, lack_of_memory
from cl_bench.run.signals import interrupts_kept
from cl_bench.run.state import RunState

log = logging.getLogger("cl_bench")

MODEL = "model.safetensors"  # all state of the method that learned, for predictions


def execute(cfg: RunConfig, directory: Path, show_bar: bool, sweep: str | None = None) -> None:
    """Carry out the run, or the rest of it, and leave its record in ``directory``.

    ``sweep`` names the sweep that it is a part of; there, a run that cannot even begin leaves the
    reason in its directory, so that a table of the sweep can tell it. A finished run stays as it
    is until one begins in its place.
    """
    began = time.perf_counter()
    record = RunRecord(directory, sweep)
    run = _prepared(cfg, record)
    with record.writing():
        if record.finished and not cfg.force:  # by another process, since this one began
            log.warning("%s", record.finished_already())
            return
        with (
            _log_file(directory / "run.log", "w" if cfg.force else "a"),
            _failures_told(record, cfg),
        ):
            record.start(cfg.model_dump(mode="json"))
            log.info("%s on %s", directory.name, run.device)
            _learn_and_record(run, record, began, show_bar)


def _prepared(cfg: RunConfig, record: RunRecord) -> Run:
    """The run, built; the directory tells why if it cannot be, and it is a part of a sweep."""
    try:
        with interrupts_kept():
            return prepare(cfg)
    except (UsageError, RunError, OSError) as error:
        if record.sweep is not None:
            with record.writing():
                if not record.finished:
                    record.start(cfg.model_dump(mode="json"))
                    record.mark("failed", str(error))
        raise
    except Exception:  # a defect: as while it learns
        log_path = record.directory / "run.log"
        with record.writing(), _log_file(log_path, "a"), _failures_told(record, cfg):
            if not record.finished:
                record.start(cfg.model_dump(mode="json"))
            raise


@contextmanager
def _failures_told(record: RunRecord, cfg: RunConfig) -> Iterator[None]:
    """However the block ends, the directory tells it; what nobody foresaw also in the log."""
    message = ""
    try:
        try:
            with interrupts_kept():
                yield
        except (RunError, UsageError, OSError) as error:
            message = os_sentence(error) if isinstance(error, OSError) else str(error)
            raise
        except Exception as error:
            if is_lack_of_memory(error):
                lack = lack_of_memory(cfg)
                message = str(lack)
                raise lack from error
            # a defect: the traceback belongs in the log, not on a terminal
            where = origins.place(error)  # in a folder that is included
            where = f" in {where}" if where else ""
            message = f"unexpected {type(error).__name__}{where}: {error}".splitlines()[0]
            told = f"{message}; the traceback is in {record.directory / 'run.log'}"
            log.debug("the run failed", exc_info=True)
            raise RunError(told) from error
    except BaseException as error:
        state = _state_after(error)  # an interrupt can have come while a failure was being told
        message = "" if state == "interrupted" else message
        log.debug("%s %s", state, message)
        with suppress(OSError):  # a full disk has its own message already
            if not record.finished:  # an interrupt can come just after
                record.mark(state, message)
        raise


def _state_after(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "interrupted"
    return "diverged" if isinstance(error, Diverged) else "failed"


@contextmanager
def _tracked(run: Run, directory: Path) -> Iterator[None]:
    """The run's tracker sees it begin and, should it come to that, break off."""
    run.tracker.measure = measure_of(run.cfg.dataset)
    run.tracker.begin(directory, run.cfg.model_dump(mode="json"))
    try:
        yield
    except BaseException as error:
        run.tracker.end(_state_after(error), {})
        raise


def _learn_and_record(run: Run, record: RunRecord, began: float, show_bar: bool) -> None:
    """From where the run's checkpoint left it, if there is one, to its results on disk."""
    checkpoint = _checkpoint(run, record.directory)
    run, run_state = _take_up(run, checkpoint)
    run_state = run_state.continued(began, run.method.kernel)
    _tell_if_everything_fits(run)
    with _tracked(run, record.directory):
        with _progress(run, run_state, show_bar) as progress:
            learn(run, progress, checkpoint, run_state)
        values = _record(run, run_state, record)
    run.tracker.end("finished", values)
    heading = measure_of(run.cfg.dataset).heading
    log.info("finished in %.1f s: %s %.4f", values["seconds_total"], heading, values["acc"])
    if not run.cfg.checkpoint.keep:
        checkpoint.remove()


def _checkpoint(run: Run, directory: Path) -> Checkpoint:
    """The run's checkpoint; with ``force`` there is none to be continued."""
    checkpoint = Checkpoint(
        directory,
        run.cfg.checkpoint,
        stamp(run.cfg, run.stream.data.sha256, run.files),
        {"device": run.device.type},
    )
    if run.cfg.force:
        checkpoint.remove()
    return checkpoint


def _progress(run: Run, run_state: RunState, show_bar: bool) -> Progress:
    """What is shown of the run, from where it stands."""
    stays = run.stream.stays
    batches = [run.stream.batches(stay) for stay in stays]
    progress = Progress(batches, show_bar, measure_of(run.cfg.dataset))
    if (learned := len(run_state.rows) - 1) > 0:
        seconds = [(row["seconds_train"], row["seconds_eval"]) for row in run_state.timings[1:]]
        progress.resume(seconds, mean_seen(run, learned, run_state.rows[-1]))
    return progress


def _tell_if_everything_fits(run: Run) -> None:
    """A memory of all samples leaves nothing to forget: its result compares with no other."""
    samples = sum(len(task.train) for task in run.stream.tasks)
    if run.memory is not None and run.cfg.memory["size"] >= samples:
        log.warning(
            "memory.size=%d holds all %d training samples: nothing has to be forgotten, and a "
            "comparison with other methods is void; choose a smaller memory.size",
            run.cfg.memory["size"],
            samples,
        )


def _take_up(run: Run, checkpoint: Checkpoint) -> tuple[Run, RunState]:
    """The run where its checkpoint left it; from the beginning if there is none to be used."""
    try:
        with interrupts_kept():  # an interrupt says nothing about the checkpoint
            found = checkpoint.load()
            if found is None:
                return run, RunState()
            state, run_state = found
            batches = [run.stream.batches(task) for task in run.stream.stays]
            run_state.check_fits(batches, len(run.stream.tasks))
            _check_kernel(run, run_state)
            run.method.load_state_dict(state)
    except RunError:
        raise
    except Exception as error:
        # whatever a foreign file makes of the state's own loading, the run must start from fresh
        checkpoint.set_aside(error if isinstance(error, ValueError) else repr(error))
        return prepare(run.cfg), RunState()
    log.info(
        "continued after task %d/%d and %d batches of the next",
        len(run_state.rows) - 1,
        len(run.stream.stays),
        run_state.batch,
    )
    return run, run_state


def _check_kernel(run: Run, run_state: RunState) -> None:
    """A :class:`RunError` if other arithmetic would go on with what one kernel has begun."""
    begun, here = (run_state.kernels or [""])[-1], run.method.kernel
    if begun == here:
        return
    told = f"was begun with the {begun} kernel; here it is the {here} one ({run.method.reason})"
    if run.cfg.stale != "keep":
        raise RunError(
            f"the run {told}, and the numbers would be of neither: make the {begun} one "
            "available, or stale=keep goes on all the same, force=true begins anew"
        )
    log.warning("the run %s: the numbers will be of neither (stale=keep)", told)


def _record(run: Run, run_state: RunState, record: RunRecord) -> dict[str, Any]:
    """Write the results of a run that has learned all its tasks; returns its metrics."""
    stream, method, matrix = run.stream, run.method, np.array(run_state.rows, dtype=np.float64)
    counted: dict[str, Any] = {
        **method.metrics(),
        "parameters": method.parameters,
        "memory_bytes": run.memory.bytes if run.memory is not None else 0,
        "samples": sum(stream.samples(task) for task in stream.stays),
        "forward_passes": method.net.passes.forward,
        "backward_passes": method.net.passes.backward,
        "seconds_train": sum(row["seconds_train"] for row in run_state.timings),
        "seconds_eval": sum(row["seconds_eval"] for row in run_state.timings),
        "seconds_total": run_state.seconds_total,
        "peak_rss_bytes": environment.peak_rss_bytes(),
    }
    if run.scenario.kind == "class" and run.scenario.disjoint:
        counted["acc_task"] = float(evaluate(in_heads(run)).mean())
    if run.device.type == "cuda":
        counted["peak_gpu_bytes"] = torch.cuda.max_memory_allocated()
    learned = tuple(stay.index for stay in stream.stays)
    curve = _curve(run_state)
    values = metrics.compute(Measured(matrix, counted, learned=learned, curve=curve))
    names = [task.name for task in stream.tasks]
    facts = _facts(run, run_state)
    timings = [
        {**row, "task": number}
        for row, number in zip(run_state.timings, [0, *(i + 1 for i in learned)], strict=True)
    ]
    record.write(names, matrix, values, facts, method.diagnostics(), timings, curve)
    write_state(record.directory / MODEL, method.state_dict(), {})
    write_summary(record.directory, run.cfg)
    record.mark("finished")
    return values


def _curve(run_state: RunState) -> Curve | None:
    points = [point.model_dump() for point in run_state.curve]
    if not points:
        return None
    columns = {key: [point[key] for point in points] for key in points[0]}
    accuracy = np.array(columns.pop("accuracy"), dtype=np.float64)
    return Curve(**{key: np.array(column) for key, column in columns.items()}, accuracy=accuracy)


def _facts(run: Run, run_state: RunState) -> dict[str, Any]:
    """What the numbers may depend on besides the configuration, for ``environment.json``."""
    data = run.stream.data
    kernels = {"kernels": run_state.kernels} if any(run_state.kernels) else {}
    return {
        **environment.surroundings(_device_name(run.device), run.workers.count, run.cfg),
        "sessions": run_state.sessions,
        **kernels,
        "dataset": {"name": data.name, "sha256": data.sha256, "origin": data.origin},
        "stream_sha256": run.stream.checksum(),
        **({"files": run.files} if run.files else {}),
    }


def write_summary(directory: Path, cfg: RunConfig) -> None:
    """The summary and the pictures of a run, made from its files."""
    from cl_bench.results import picture, summary

    summary.write_markdown(directory)
    if cfg.plots:
        picture.write_pictures(directory)


class _LogFile(logging.StreamHandler):
    """Lines appended to a file that is not a link; a full disk costs lines, not the run."""

    def __init__(self, path: Path, mode: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if mode == "w" else os.O_APPEND)
        # the directory may be one that others can write to: a link in it leads nowhere
        super().__init__(os.fdopen(os.open(path, flags | os.O_NOFOLLOW, 0o666), mode))
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: what is told here is told on stderr too."""

    def close(self) -> None:
        with suppress(OSError):
            self.stream.close()
        super().close()


@contextmanager
def _log_file(path: Path, mode: str) -> Iterator[None]:
    handler = _LogFile(path, mode)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
