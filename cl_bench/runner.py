"""One run: what a config names is built, learns the stream task by task, and is measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cl_bench import config, datasets, registry
from cl_bench.checkpoint import Checkpoint, Course
from cl_bench.config import RunConfig
from cl_bench.errors import Diverged, RunError, UsageError
from cl_bench.memory.base import Memory
from cl_bench.methods.base import Context, Method
from cl_bench.models.network import Network, Passes
from cl_bench.results.progress import Progress
from cl_bench.rng import generator
from cl_bench.signals import deferred
from cl_bench.streams.base import Stream, Task
from cl_bench.streams.scenario import Scenario
from cl_bench.trackers.base import Tracker


@dataclass
class Run:
    """Everything that takes part in one run, built and checked, before any training."""

    cfg: RunConfig
    device: torch.device
    stream: Stream
    scenario: Scenario
    memory: Memory | None
    method: Method
    tracker: Tracker


def prepare(cfg: RunConfig) -> Run:
    """Build what ``cfg`` names; every mistake in it is found here, before anything is written."""
    # each section is checked before any data is fetched: a misspelt option must not cost a download
    make_stream = _stream_choice(cfg)
    make_memory = _choice(cfg.memory, "memory", "memory", Memory)
    make_model = _choice(cfg.model, "model", "model", torch.nn.Module)
    make_method = _choice(cfg.method, "method", "method", Method)
    tracker = _choice(cfg.tracker, "tracker", "tracker", Tracker)()
    name, memories = cfg.method["name"], make_method.cls.memories
    if memories and cfg.memory["name"] not in memories:
        raise UsageError(
            f"method={name} does not work with memory={cfg.memory['name']}; "
            f"choose memory={' or memory='.join(memories)}"
        )
    only_for = getattr(make_model.cls, "only_for", name)
    if name != only_for:
        raise UsageError(
            f"method={name} does not work with model={cfg.model['name']}, which is for "
            f"method={only_for} alone; choose model=mlp"
        )

    device = pick_device(cfg)
    stream = _open(make_stream, cfg.seed, device)
    scenario = Scenario(stream, device)
    memory = make_memory(len(stream.tasks), stream.input_shape, device) if memories else None
    init, passes = generator(cfg.seed, "init"), Passes()

    def build_network(**changes: Any) -> Network:
        chosen = make_model.changed(changes)
        return Network(chosen(stream.input_shape, stream.classes, init), device, passes)

    context = Context(
        model=make_model.settings,
        build_network=build_network,
        scenario=scenario,
        memory=memory,
        generator=generator(cfg.seed, "method"),
        device=device,
        tasks=len(stream.tasks),
        inputs=stream.inputs,
        validation=stream.validation_batches,
        epochs=stream.settings.epochs,
    )
    return Run(cfg, device, stream, scenario, memory, make_method(context), tracker)


def build_stream(cfg: RunConfig, device: torch.device) -> Stream:
    """The stream that ``cfg`` names, without anything to learn it."""
    return _open(_stream_choice(cfg), cfg.seed, device)


@dataclass(frozen=True)
class _Choice:
    """A class of a group with its checked settings, to be called with the rest it needs."""

    cls: type
    settings: Any

    def __call__(self, *arguments: Any) -> Any:
        return self.cls(self.settings, *arguments)

    def changed(self, changes: dict[str, Any]) -> _Choice:
        values = {**self.settings.model_dump(), **changes}
        return _Choice(self.cls, config.check(values, self.cls.Settings))


def _choice(
    section: dict[str, Any], key: str, group: str, base: type, field: str | None = None
) -> _Choice:
    file = section.get(field) if field else section.get("implementation") or section["name"]
    cls = registry.find(group, str(file), base)
    return _Choice(cls, config.check(section, cls.Settings, key))


def _stream_choice(cfg: RunConfig) -> _Choice:
    return _choice(cfg.dataset, "dataset", "stream", Stream, field="stream")


def _open(make_stream: _Choice, seed: int, device: torch.device) -> Stream:
    settings = make_stream.settings
    return make_stream(datasets.load(settings.source, settings.path), seed, device)


def pick_device(cfg: RunConfig) -> torch.device:
    """The run's device, set up to be deterministic, and the number of CPU threads."""
    torch.set_num_threads(cfg.device.threads or available_threads())
    available = torch.cuda.is_available()
    if cfg.device.name == "cuda" and not available:
        raise RunError("device=cuda: no CUDA device is usable here; choose device=cpu")
    if cfg.device.name == "cpu" or not available:
        return torch.device("cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda")


def available_threads() -> int:
    """CPU threads for a run that is not given a number.

    A launcher that runs several at a time says so in OMP_NUM_THREADS, a cluster by the cores that
    the process may use.
    """
    share = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(share) if share.isdecimal() and int(share) > 0 else cores or 1


def learn(
    run: Run, progress: Progress, checkpoint: Checkpoint | None = None, course: Course | None = None
) -> tuple[np.ndarray, list[dict[str, float]]]:
    """One pass over the stream: accuracy matrix (T+1, T) and the seconds of every row.

    ``course`` says how far the run, whose method's state is loaded, has come already; it is kept
    up to date, and saved to ``checkpoint`` on the way.
    """
    stream, method = run.stream, run.method
    course = course or Course()
    if not course.rows:
        with _timed(run.device) as seconds:
            course.rows.append(evaluate(run).tolist())
        course.timings.append({"task": 0, "seconds_train": 0.0, "seconds_eval": seconds()})
    for row, task in enumerate(stream.tasks, start=1):
        if row < len(course.rows):
            run.scenario.begin_task(task)  # all that a learned task leaves outside of the method
            continue
        progress.begin_task()
        earlier = course.seconds
        with _timed(run.device) as seconds:
            run.scenario.begin_task(task)
            method.train(True)
            if not course.batch:
                method.begin_task(task)
            _observe(run, task, progress, checkpoint, course, seconds)
            method.end_task(task)
        trained = earlier + seconds()
        if not method.finite():
            raise Diverged(
                f"the parameters are no longer finite after task {row}; "
                f"lower method.lr (now {run.cfg.method['lr']})"
            )
        with _timed(run.device) as seconds:
            course.rows.append(evaluate(run).tolist())
        course.timings.append({"task": row, "seconds_train": trained, "seconds_eval": seconds()})
        run.tracker.task(row, course.rows[row], course.timings[row])
        course.batch, course.seconds = 0, 0.0
        progress.end_task(np.mean(course.rows[row][:row]))
        if checkpoint is not None and checkpoint.due(task_ended=True):
            checkpoint.save(method.state_dict(), course)
    return np.array(course.rows), course.timings


def _observe(
    run: Run,
    task: Task,
    progress: Progress,
    checkpoint: Checkpoint | None,
    course: Course,
    seconds: Callable[[], float],
) -> None:
    """The batches of a task, from where the course stands; interrupts come between two of them."""
    earlier, done = course.seconds, sum(map(run.stream.batches, run.stream.tasks[: task.index]))
    count = run.stream.batches(task)
    with deferred() as interrupt:
        for x, y in run.stream.train_batches(task, course.batch):
            run.method.observe(x, y, task)
            course.batch += 1
            progress.batch(done + course.batch)
            told = interrupt.made or interrupt.waiting
            # after the last batch too: the method's end of the task and the evaluation can be
            # long, and an interrupt in them must not cost the batches
            if checkpoint is not None and (told or checkpoint.due(course.batch == count)):
                course.seconds = earlier + seconds()
                checkpoint.save(run.method.state_dict(), course)
            interrupt.pass_on()
            if interrupt.made:
                break


@torch.inference_mode()
def evaluate(run: Run) -> np.ndarray:
    """Test accuracy on every task of the stream, float64 (T,), in evaluation mode."""
    method, stream = run.method, run.stream
    method.train(False)
    correct = torch.zeros(len(stream.tasks), dtype=torch.int64, device=run.device)
    count = np.zeros(len(stream.tasks))
    for task in stream.tasks:
        for x, y in stream.test_batches(task):
            logits = run.scenario.mask(method.logits(x, task), task.index)
            correct[task.index] += (logits.argmax(1) == y).sum()
            count[task.index] += len(y)
    return correct.cpu().numpy() / count


@contextmanager
def _timed(device: torch.device) -> Iterator[Callable[[], float]]:
    """Yields a function that gives the seconds so far, and the block's once it is left."""
    taken: list[float] = []
    began = time.perf_counter()
    yield lambda: taken[0] if taken else time.perf_counter() - began
    if device.type == "cuda":
        torch.cuda.synchronize()
    taken.append(time.perf_counter() - began)
