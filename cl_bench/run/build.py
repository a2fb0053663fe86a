"""One run: what a config names is built, learns the stream task by task, and is measured."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cl_bench import datasets, metrics
from cl_bench.config import registry, schema
from cl_bench.config.pairing import check_pairing, check_stream, refusal
from cl_bench.config.schema import RunConfig
from cl_bench.errors import RunError, UsageError
from cl_bench.memory.base import Memory
from cl_bench.methods.base import Context, Method
from cl_bench.network import plain
from cl_bench.network.linear_stack import LinearStack
from cl_bench.network.theta import Network, Passes
from cl_bench.network.workers import Workers
from cl_bench.rng import drawing_from, generator
from cl_bench.run.classes import class_of
from cl_bench.run.room import no_more_than_there_is
from cl_bench.run.unlabelled import read_inputs
from cl_bench.streams.base import Stream
from cl_bench.streams.scenario import Scenario
from cl_bench.streams.task import Task
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
    workers: Workers
    precision: torch.dtype | None = None  # of the products in a stack's evaluation; None: its own
    # the option that names a file which the method has read -> the file's sha256
    files: dict[str, str] = field(default_factory=dict)

    def pass_over(self, task: Task, batches: int | None = None) -> None:
        """Note what the task's first ``batches`` batches (None: all), which were learned before,
        leave outside of the method."""
        self.scenario.begin_task(task)
        self.scenario.observe(self.stream.labels(task, batches))


def prepare(cfg: RunConfig, recorded: bool = False) -> Run:
    """Build what ``cfg`` names; every mistake in it is found here, before anything is written.

    A ``recorded`` run is built as it was made, also by a version that knew no pairing to refuse.
    """
    make_stream, make_memory, make_model, make_method, make_tracker = choose(cfg, recorded)
    tracker = make_tracker()
    device = pick_device(cfg)
    stream = _open(make_stream, cfg.seed, device)
    scenario = Scenario(stream, device)
    if "classes per task" in make_method.cls.needs and not scenario.disjoint:
        raise refusal(cfg, "classes per task")
    uses_memory = bool(make_method.cls.memory_needs)
    with no_more_than_there_is(cfg, device.type == "cpu"):
        memory = make_memory(len(stream.tasks), stream.input_shape, device) if uses_memory else None
        if memory is not None and scenario.numbers:
            memory.keep_numbers(stream.classes)
    init, passes = generator(cfg.seed, "init"), Passes()
    precision = torch.bfloat16 if cfg.device.precision == "bf16" else None
    # on a GPU the kernels are the threads
    workers = Workers(threads(cfg) if device.type == "cpu" else 1)

    def build_network(**changes: Any) -> Network:
        chosen = make_model.changed(changes)
        with drawing_from(init):
            module = chosen(stream.input_shape, stream.classes)
        return Network(module, device, passes, stream.classes, init, workers, precision)

    files: dict[str, str] = {}

    def unlabelled(key: str, path: str) -> Callable[[Task], Iterator[Tensor]]:
        if recorded:  # it learns no more, and the file may be elsewhere by now
            return lambda task: iter(())
        try:
            shown, files[f"method.{key}"] = read_inputs(stream, path)
        except UsageError as error:
            raise UsageError(f"method.{key}={path}: {error}") from None
        return shown

    context = Context(
        model=make_model.settings,
        build_network=build_network,
        scenario=scenario.while_learning(),
        memory=memory,
        generator=generator(cfg.seed, "method"),
        device=device,
        tasks=len(stream.tasks),
        data=stream.first_pass,
        stays=len(stream.stays),
        up_to=lambda task: [past for past in stream.tasks if past.stay <= task.stay],
        inputs=stream.inputs,
        unlabelled=unlabelled,
        validation=stream.validation_batches,
        epochs=stream.settings.epochs,
    )
    with no_more_than_there_is(cfg, device.type == "cpu"):
        method = make_method(context)
    return Run(cfg, device, stream, scenario, memory, method, tracker, workers, precision, files)


def choose(cfg: RunConfig, recorded: bool = False) -> tuple[_Choice, ...]:
    """The run's stream, memory, model, method and tracker, each with its settings.

    All that can be checked without data: a misspelt option must not cost a download. The metrics
    are looked at too: one of a user's that cannot be read must not cost the run.
    """
    metrics.known()
    chosen = (
        _stream_choice(cfg),
        _choice(cfg.memory, "memory"),
        _choice(cfg.model, "model"),
        _choice(cfg.method, "method"),
        _choice(cfg.tracker, "tracker"),
    )
    if not recorded:
        check_pairing(cfg)
    if cfg.device.precision == "bf16" and not issubclass(chosen[2].cls, LinearStack):
        raise UsageError(
            f"device.precision=bf16: is for stacks of linear layers, and model={cfg.model['name']} "
            "is none; choose model=mlp or device.precision=float32"
        )
    return chosen


def build_stream(cfg: RunConfig, device: torch.device) -> Stream:
    """The stream that ``cfg`` names, without anything to learn it."""
    make_stream = _stream_choice(cfg)
    check_stream(cfg.dataset)
    return _open(make_stream, cfg.seed, device)


@dataclass(frozen=True)
class _Choice:
    """A class of a group with its checked settings, to be called with the rest it needs."""

    cls: Any
    settings: Any

    def __call__(self, *arguments: Any) -> Any:
        if not hasattr(self.cls, "Settings"):
            return plain.build(self.cls, self.settings, *arguments)
        return self.cls(self.settings, *arguments)

    def changed(self, changes: dict[str, Any]) -> _Choice:
        values = {**self.settings.model_dump(), **changes}
        return _Choice(self.cls, schema.check(values, registry.settings_of(self.cls)))


def _choice(section: dict[str, Any], group: str) -> _Choice:
    return _chosen(section, group, group, section.get("implementation") or section["name"])


def _stream_choice(cfg: RunConfig) -> _Choice:
    return _chosen(cfg.dataset, "dataset", "stream", cfg.dataset.get("stream"))


def _chosen(section: dict[str, Any], key: str, group: str, file: object) -> _Choice:
    cls = class_of(group, str(file))
    return _Choice(cls, schema.check(section, registry.settings_of(cls), key))


def _open(make_stream: _Choice, seed: int, device: torch.device) -> Stream:
    settings = make_stream.settings
    return make_stream(datasets.load(settings.source, settings.path, settings.read), seed, device)


def pick_device(cfg: RunConfig) -> torch.device:
    """The run's device, set up to be deterministic: kernels on the CPU keep to one thread."""
    torch.set_num_threads(1)
    device = _device(cfg.device.name)
    if cfg.device.precision == "bf16" and not multiplies_bf16(device):
        raise RunError(
            f"device.precision=bf16: the {device.type.upper()} here has no instructions for it, "
            "and would be slower than without; choose device.precision=float32"
        )
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    return device


def _device(name: str) -> torch.device:
    if name == "mps":  # by name alone: it has never been tried
        if not torch.backends.mps.is_available():
            raise RunError("device=mps: there is no Apple GPU here; choose device=cpu")
        return torch.device("mps")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise RunError("device=cuda: no CUDA device is usable here; choose device=cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for products of bfloat16 numbers; of an Apple GPU it is
    not known."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    try:
        facts = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    words = re.search(r"^(?:flags|Features)\s*:(.*)$", facts, re.MULTILINE)
    return words is not None and bool({"avx512_bf16", "amx_bf16", "bf16"} & set(words[1].split()))


def threads(cfg: RunConfig) -> int:
    """CPU threads that the run may use: as many as it is given, else its share of the cores.

    A launcher that runs several at a time says so in OMP_NUM_THREADS, a cluster by the cores that
    the process may use.
    """
    share = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = int(share) if share.isdecimal() and int(share) > 0 else cores or 1
    return cfg.device.threads or found
