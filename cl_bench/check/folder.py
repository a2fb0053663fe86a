"""The choices of a folder, and what each is tried with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cl_bench.check.battery import Finding, examine
from cl_bench.config import origins, registry
from cl_bench.config.choices import files, implementation, yaml_fault
from cl_bench.config.origins import Origin, shown, told
from cl_bench.config.registry import declared
from cl_bench.errors import RunError, UsageError

# groups in the order in which they are told
GROUPS = ("method", "model", "memory", "stream", "dataset", "metric", "tracker")
# methods that ask for little come first: one of them tries a memory
TRIED_WITH = ("er", "gem", "icarl", "gdumb", "der", "hal")


@dataclass(frozen=True)
class Own:
    """A choice of the folder."""

    group: str
    name: str

    @property
    def title(self) -> str:
        return f"{self.group}={self.name}"


def choices_of(origin: Origin, names: Sequence[str]) -> list[Own]:
    """All choices of the folder, or those that are called so; a :class:`UsageError` for none."""
    found = [Own(group, name) for group in GROUPS for name in origin.names(group)]
    for group in GROUPS:  # choices that are YAML alone
        for name, path in _its(origin, group):
            implemented = _read(path).get("stream" if group == "dataset" else "name")
            if not {Own(group, name), Own("stream", str(implemented))} & set(found):
                found.append(Own(group, name))
    chosen = [own for own in found if not names or own.name in names]
    if missing := set(names) - {own.name for own in found}:
        raise UsageError(f"check: {origin.folder.name} has no choice {', '.join(sorted(missing))}")
    if not chosen:
        raise UsageError(f"check: {shown(origin.folder)} holds no choice; cl-bench new writes one")
    return sorted(chosen, key=lambda own: GROUPS.index(own.group))


def check(origin: Origin, own: Own, given: Sequence[str]) -> Iterator[Finding]:
    """What there is to be said of a choice; ``given`` are overrides of the runs that try it."""
    try:
        if own.group == "metric":
            yield from _metric(origin, own)
            return
        if origin.file(own.group, own.name):
            _imported(own)
            yield Finding("can be imported")
        yield Finding("has its YAML", lacking := _lacks_yaml(origin, own))
        if not lacking and own.group != "tracker":
            for words in _tries(origin, own):
                if own.group in ("stream", "dataset"):
                    yield Finding("its tasks fit its data", _misfit([*words, *given]))
                yield from examine(words, given)
    except (UsageError, RunError) as error:
        yield Finding("can be used", str(error))
    except Exception as error:  # a user's code may fail in any way
        yield Finding("can be used", told(error, None))


def _imported(own: Own) -> None:
    """A :class:`UsageError` if the choice's module is none."""
    if own.group == "dataset":
        from cl_bench import datasets

        datasets.module_of(own.name)
        return
    from cl_bench.run.classes import class_of

    class_of(own.group, own.name)


def _lacks_yaml(origin: Origin, own: Own) -> str:
    if own.group in ("stream", "dataset"):
        key = "stream" if own.group == "stream" else "source"
        if _datasets(origin, key, own.name) or own.name in files("dataset"):
            return ""
        return (
            f"no YAML in {shown(origin.conf / 'dataset')} says {key}: {own.name}, so it cannot be "
            "chosen; write one"
        )
    implemented = [implementation(own.group, name) for name, _ in _its(origin, own.group)]
    if own.name in implemented or own.name in files(own.group):
        return ""
    return registry.without_yaml(own.group, own.name)


def _its(origin: Origin, group: str) -> list[tuple[str, Any]]:
    return [(name, path) for name, (its, path) in files(group).items() if its == origin]


def _datasets(origin: Origin, key: str, name: str) -> list[str]:
    """The folder's datasets whose YAML says ``key: name``."""
    return [choice for choice, path in _its(origin, "dataset") if _read(path).get(key) == name]


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise UsageError(yaml_fault(error, path)) from None
    return values if isinstance(values, dict) else {}


def _tries(origin: Origin, own: Own) -> list[list[str]]:
    """The command lines of the runs that try the choice."""
    if own.group == "method":
        its = [name for name, _ in _its(origin, "method")]
        names = [name for name in its if implementation("method", name) == own.name]
        return [[f"method={name}"] for name in names or [own.name]]
    if own.group == "model":
        return [["method=single", f"model={own.name}"]]
    if own.group == "memory":
        able = declared("memory", own.name, "abilities") or frozenset()
        for method in TRIED_WITH:
            if declared("method", implementation("method", method), "memory_needs") <= able:
                return [[f"method={method}", f"memory={own.name}"]]
        raise UsageError(
            f"memory={own.name}: no method can use what it says in abilities ({', '.join(able)})"
        )
    key = "stream" if own.group == "stream" else "source"
    names = _datasets(origin, key, own.name)
    names += [own.name] if own.name in files("dataset") and own.name not in names else []
    return [["method=single", f"dataset={name}"] for name in names]


def _misfit(words: list[str]) -> str:
    """What does not go together in arrays and tasks; empty if all does."""
    import torch

    from cl_bench.config.compose import config_of
    from cl_bench.run.build import build_stream

    cfg = config_of([*words, "device=cpu"])
    stream = build_stream(cfg, torch.device("cpu"))
    for half, split in (("train", stream.train), ("test", stream.test)):
        if split.images.dtype not in (torch.uint8, torch.float32):
            return f"{half}_images are {split.images.dtype}; make them uint8 or float32"
        if len(split.images) != len(split.labels):
            return f"{len(split.images)} {half}_images have {len(split.labels)} labels"
        if stream.settings.target == "regression":
            continue  # the stream itself looks at numbers
        if len(split.labels) and not 0 <= int(split.labels.min()) <= int(split.labels.max()) < (
            stream.classes
        ):
            return f"{half}_labels must be whole numbers from 0 to {stream.classes - 1}"
    for task in stream.tasks if stream.settings.target == "classes" else ():
        if not set(stream.train.labels[task.train].tolist()) <= set(task.classes):
            return f"{task.name} has training samples of classes that are not among its classes"
    if stream.checksum() != build_stream(cfg, torch.device("cpu")).checksum():
        return "made a second time it is another stream; draw from cl_bench.rng.generator"
    return ""


def _metric(origin: Origin, own: Own) -> Iterator[Finding]:
    """A metric gives a finite number or None, and leaves the matrix as it is."""
    from cl_bench import metrics
    from cl_bench.metrics.base import Measured

    found = [m for m in metrics.known().values() if m.of.__module__.startswith(f"{origin.package}.")
             and m.of.__module__.endswith(f".{own.name}")]  # fmt: skip
    file = shown(origin.folder / "metrics" / f"{own.name}.py")
    yield Finding("defines a metric", "" if found else f"{file}, line 1: defines no metric")
    draw = np.random.default_rng(0)
    for metric in found:
        fault = ""
        for tasks in (1, 3):
            matrix = draw.random((tasks + 1, tasks))
            before = matrix.copy()
            if metric.kind == "order":
                continue
            try:
                value = metric.of(Measured(matrix, {"parameters": 10.0}, matrix))
                if value is not None and not np.isfinite(float(value)):
                    fault = f"{metric.key} is {value} for {tasks} tasks; give None where undefined"
            except Exception as error:  # a user's code may fail in any way
                fault = f"{metric.key} fails for {tasks} tasks: {told(error, origin.folder)}"
            if not np.array_equal(matrix, before):
                fault = f"{metric.key} changes the accuracy matrix in place; work on a copy"
            if fault:
                break
        yield Finding(f"{metric.key} is a number for one task and for several", fault)


def included(folder: str) -> Origin:
    """The folder, which is included now if it was not."""
    path = Path(folder).expanduser().resolve()
    if not any(origin.folder == path for origin in origins.known()):
        origins.include([*origins.included(), folder])
    return next(origin for origin in origins.known() if origin.folder == path)
