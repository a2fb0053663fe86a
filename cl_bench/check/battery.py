"""What every run must keep to, tried on a small one: it learns, goes on to the bit, repeats itself,
leaves its batches alone, stays finite, and looks at no output that does not count."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cl_bench.check.values import (
    copied,
    global_state,
    nan_in,
    plain_values,
    restore_globally,
    same,
    seed_globally,
)
from cl_bench.config.compose import config_of
from cl_bench.config.origins import told
from cl_bench.config.pairing import check_pairing
from cl_bench.config.registry import declared
from cl_bench.config.schema import RunConfig
from cl_bench.errors import Diverged, RunError, UsageError
from cl_bench.files.state import read_state, write_state
from cl_bench.network.theta import Network
from cl_bench.run import learn
from cl_bench.run.build import Run, prepare
from cl_bench.run.progress import Progress
from cl_bench.run.state import RunState

SMALL = ("device=cpu", "device.threads=1", "plots=false", "quiet=true")
SAMPLES = "dataset.samples_per_task=60"
# the first of these that the choice can learn from is the one that it is tried on
DIGITS = (
    ("dataset=digits_permutations", "dataset.tasks=3", SAMPLES),
    ("dataset=digits_split", "dataset.tasks=5", SAMPLES),
    ("dataset=digits_split", "dataset.tasks=5", "dataset.scenario=class", SAMPLES),
)
SPLIT = ("dataset=digits_split", "dataset.tasks=5", SAMPLES)
CUTS = (2, 9, 12, 13)  # of the times at which a checkpoint can be written; the last after a task
SHIFT = 3.0  # of an output that does not count


@dataclass(frozen=True)
class Finding:
    """``fault`` is one sentence; empty if all is well."""

    what: str
    fault: str = ""


def examine(words: Sequence[str], given: Sequence[str] = ()) -> Iterator[Finding]:
    """All that can be said of the choices ``words``, of which the dataset may be one; ``given`` are
    the user's own overrides."""
    try:
        cfg = _config(words, given)
        first = _Trial(cfg, 1)
    except Exception as error:  # what is tried is a user's code, which may fail in any way
        yield Finding("runs on digits", _sentence(error))
        return
    what = "runs on digits" if "digits" in cfg.dataset["name"] else f"runs on {cfg.dataset['name']}"
    yield Finding(what, first.failure)
    yield Finding("finite", first.not_finite)
    yield Finding("leaves its batches as they are", first.changed)
    if first.failure or first.not_finite:
        return
    checks: dict[str, Callable[[], str | None]] = {
        "same seed, same bits": lambda: _repeats(cfg, first),
        "goes on to the bit, no state forgotten": lambda: _goes_on(cfg, first),
    }
    if not any(word.startswith("dataset=") for word in words):
        checks |= {
            "leaves outputs alone that do not count": lambda: _masked(words, given),
            "learns what nobody tells the task of": lambda: _unknown_tasks(cfg, words, given),
        }
    for what, check in checks.items():
        if (fault := _tried(check)) is not None:
            yield Finding(what, fault)


def _tried(check: Callable[[], str | None]) -> str | None:
    try:
        return check()
    except Exception as error:  # as above
        return _sentence(error)


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, UsageError | RunError) else told(error, None)


def _config(words: Sequence[str], given: Sequence[str]) -> RunConfig:
    """A small run with these choices; a :class:`UsageError` if there is none."""
    streams = [()] if any(word.startswith("dataset=") for word in words) else DIGITS
    refused: UsageError | None = None
    for stream in streams:
        cfg = config_of(_sized([*words, *stream, *SMALL, *given]))
        try:
            check_pairing(cfg)
        except UsageError as error:
            refused = refused or error
        else:
            return cfg
    raise refused or UsageError("no stream to try it on")


def _sized(words: list[str]) -> list[str]:
    """With a memory that holds a part of the samples, where there is one to be sized."""
    memory = config_of(words).memory
    asked = any(word.startswith("memory.size=") for word in words)
    small = memory["name"] != "none" and "size" in memory and not asked
    return [*words, *(["memory.size=30"] if small else [])]


class _Stopped(Exception):
    """There is nothing more to be seen."""


class _Trial:
    """One run from beginning to end, watched; global random numbers begin at ``start``."""

    def __init__(self, cfg: RunConfig, start: int) -> None:
        self.failure = self.not_finite = self.changed = ""
        self.run = prepare(cfg)
        self.fresh = plain_values(self.run.method)
        self.cuts = _Cuts()
        seed_globally(start)
        before = global_state()
        self._watch(self.run.method)
        try:
            self.matrix = learned(self.run, self.cuts)
        except _Stopped:
            return
        except Diverged as error:
            self.not_finite = str(error)
            return
        except Exception as error:  # as above
            self.failure = _sentence(error)
            return
        self.drawn = [name for name, old in before.items() if not same(old, global_state()[name])]
        self.state = copied(self.run.method.state_dict())
        if not self.not_finite:
            self.not_finite = nan_in(self.state, self.run.method)

    def _watch(self, method: Any) -> None:
        """The method's verbs are followed by a look at what they have done."""
        observe, logits = method.observe, method.logits

        def observed(x: Tensor, y: Tensor, task: Any) -> None:
            had, versions = (x.clone(), y.clone()), (x._version, y._version)
            observe(x, y, task)
            equal = torch.equal(x, had[0]) and torch.equal(y, had[1])
            if not (equal and versions == (x._version, y._version)) and not self.changed:
                self.changed = (
                    "observe changes its batch in place, which is the stream's; work on a copy"
                )
            if not method.finite():
                name = "the first task" if task is None else task.name
                self.not_finite = (
                    f"the parameters are NaN or infinite after a batch of {name}: look at what is "
                    "divided by, and at logarithms and roots"
                )
                raise _Stopped

        def answered(x: Tensor, task: Any) -> Tensor:
            had = x.clone()
            found = logits(x, task)
            if not torch.equal(x, had) and not self.changed:
                self.changed = "logits changes its inputs in place; work on a copy"
            if torch.isnan(found).any() and not self.not_finite:
                self.not_finite = "logits are NaN for test inputs"
            return found

        method.observe = observed
        if type(method).logits is not _base_logits():
            method.logits = answered


def _base_logits() -> Callable[..., Tensor]:
    from cl_bench.methods.base import Method

    return Method.logits


def learned(run: Run, cuts: _Cuts | None = None, run_state: RunState | None = None) -> np.ndarray:
    """The accuracy matrix of a run that learns its stream to the end."""
    progress = Progress([run.stream.batches(task) for task in run.stream.stays], False)
    with _quiet():
        return learn.learn(run, progress, cuts, run_state)[0]  # type: ignore[arg-type]


class _quiet:
    """Nothing is logged within."""

    def __enter__(self) -> None:
        import logging

        self.log = logging.getLogger("cl_bench")
        self.before, self.log.disabled = self.log.disabled, True

    def __exit__(self, *exception: object) -> None:
        self.log.disabled = self.before


class _Cuts:
    """Stands where a run's checkpoint does, and keeps what one would hold at some times."""

    def __init__(self) -> None:
        self.asked = 0
        self.kept: list[tuple[bytes, RunState, dict[str, Any], str]] = []

    def due(self, task_ended: bool) -> bool:
        self.asked += 1
        return self.asked in CUTS

    def save(self, state: Any, run_state: RunState) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_state(Path(folder) / "state", state, {})
            content = (Path(folder) / "state").read_bytes()
        task, batch = len(run_state.rows), run_state.batch
        where = f"batch {batch} of task {task}" if batch else f"task {task - 1}"
        copied = run_state.model_copy(deep=True)
        self.kept.append((content, copied, global_state(), where))


def _repeats(cfg: RunConfig, first: _Trial) -> str:
    """Whether the same seed gives the same bits whatever the process's own random numbers are."""
    again = _Trial(cfg, 2)
    if same(first.state, again.state) and same(first.matrix, again.matrix):
        return ""
    if first.drawn:
        return (
            f"draws from global random numbers ({', '.join(first.drawn)}), so that the same seed "
            "gives other bits; draw from self.generator"
        )
    return "the same seed gives other bits; draw from self.generator, and from nothing else"


def _goes_on(cfg: RunConfig, first: _Trial) -> str:
    """Whether a run that goes on from a checkpoint ends with the bits of one that was never cut."""
    for content, run_state, numbers, where in first.cuts.kept:
        run = prepare(cfg)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state"
            path.write_bytes(content)
            run.method.load_state_dict(read_state(path)[0])
        restore_globally(numbers)
        matrix = learned(run, None, run_state.model_copy(deep=True))
        if same(run.method.state_dict(), first.state) and same(matrix, first.matrix):
            continue
        now = plain_values(first.run.method)
        kept = set(type(first.run.method).all_kept())
        lost = [k for k in now if k not in kept and not same(now[k], first.fresh.get(k))]
        hint = f"; what changes and is not in kept: {', '.join(lost)}" if lost else ""
        return f"forgets state: taken up after {where} it ends with other bits{hint}"
    return ""


def _masked(words: Sequence[str], given: Sequence[str]) -> str | None:
    """Whether outputs that do not count have an influence on what is learned; None if that cannot
    be seen."""
    seen = None
    for scenario in ("task", "class"):
        split = _sized([*words, *SPLIT, f"dataset.scenario={scenario}", *SMALL, *given])
        masked = config_of(split)
        try:
            check_pairing(masked)
        except UsageError:
            continue
        plain, shifted = prepare(masked), prepare(masked)
        for network in _networks(shifted.method):
            head = [layer for layer in network.module.modules() if isinstance(layer, nn.Linear)]
            if not head or head[-1].bias is None or len(head[-1].bias) != plain.stream.classes:
                return None  # there is no head to be moved
            others = [c for task in plain.stream.tasks[1:] for c in task.classes]
            head[-1].bias.data[others] += SHIFT
        seen = ""
        moved = [_first_task(run) for run in (plain, shifted)]
        for one, two in zip(*moved, strict=True):
            if not torch.allclose(one, two, rtol=1e-4, atol=1e-6):
                return (
                    f"ignores the masks of dataset.scenario={scenario}: outputs of other tasks' "
                    "classes change what is learned; take the loss from self.scenario.loss"
                )
    return seen


def _first_task(run: Run) -> list[Tensor]:
    """θ of every network after the first task, without the biases of the head."""
    seed_globally(1)  # another fault, which is told by another check
    task = run.stream.stays[0]
    run.pass_over(task)
    run.method.train(True)
    known = run.scenario.in_training(task)
    if known is not None:
        learn.begin_task(run, task)
    for x, y in run.stream.train_batches(task):
        run.method.observe(x, y, known)
    if known is not None:
        learn.end_task(run, task)
    found = []
    for network in _networks(run.method):
        head = [m for m in network.module.modules() if isinstance(m, nn.Linear)][-1]
        found += [p.data for p in network.parameters if p is not head.bias]
    return found


def _unknown_tasks(cfg: RunConfig, words: Sequence[str], given: Sequence[str]) -> str | None:
    """Whether a method that says that it needs to be told nothing can do so; None for others."""
    method = str(cfg.method.get("implementation") or cfg.method["name"])
    if declared("method", method, "needs"):
        return None
    stream = (*DIGITS[0], "dataset.task_identity=none")
    unknown = config_of(_sized([*words, *stream, *SMALL, *given]))
    try:
        check_pairing(unknown)
    except UsageError:  # the memory or the schedule needs it
        return None
    try:
        learned(prepare(unknown))
    except Exception as error:  # as above
        return (
            f"fails where nobody tells the task ({_sentence(error)}): say in needs what the method "
            "must be told, or do without"
        )
    return ""


def _networks(method: Any) -> list[Network]:
    found: dict[int, Network] = {}
    for value in vars(method).values():
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, Network):
                found[id(part)] = part
    return list(found.values())
