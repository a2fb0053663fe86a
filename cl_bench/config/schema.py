"""Typed configuration: what may be set, in which range, and a hint for what was misspelt.

Imports no torch. A section such as ``method`` is checked against the ``Settings`` of the class it
names, so that a new method declares its own options in its own file.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from cl_bench.errors import NoSuchOption, UsageError

LARGEST_FLOAT = 3.4e38  # of 32 bits


class Settings(BaseModel):
    """Base of all typed sections: exact types, finite numbers, no unknown keys, read-only."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=()
    )

    @field_validator("*")
    @classmethod
    def _can_be_computed_with(cls, value: Any) -> Any:
        """Numbers that parameters, which have 32 bits, and indices, which have 64, can meet."""
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and abs(number) > LARGEST_FLOAT:
                raise ValueError(f"should be at most {LARGEST_FLOAT:.1e}, as large as 32 bits hold")
            if isinstance(number, int) and not -(2**63) <= number < 2**63:
                raise ValueError("should be less than 2**63, as large as 64 bits hold")
        return value


class Section(Settings):
    """A choice of a group; ``implementation`` names the class's file where it is not ``name``."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    implementation: str | None = None

    @property
    def file(self) -> str:
        return self.implementation or self.name


class DeviceSettings(Settings):
    """``threads``: CPU threads that one run may use; None for its share of the cores. No result
    depends on it: whole pieces of work are spread over the threads, a kernel keeps to one.

    ``precision``: the numbers that enter the products of memory gradients and of evaluation, in
    networks that are stacks of linear layers; all else is float32. A result depends on it.
    """

    name: Literal["auto", "cpu", "cuda", "mps"]
    threads: int | None = Field(ge=1, le=1024)
    precision: Literal["float32", "bf16"] = "float32"  # runs recorded before it lack it


class CheckpointSettings(Settings):
    """``every``: seconds between checkpoints within a task, 0 for one after every batch.

    ``keep``: leave the last one in the directory of a finished run.
    """

    every: float = Field(ge=0)
    keep: bool


def _batches(value: object) -> object:
    """Check of a number of batches, or a list of such and of shares of a task."""

    def number(one: object) -> bool:
        return type(one) is int and one >= 1

    def share(one: object) -> bool:
        return type(one) is float and 0 < one <= 1

    some = isinstance(value, list) and value and all(number(one) or share(one) for one in value)
    if not (value is None or number(value) or some):
        raise ValueError(
            "must be null, a number of batches, or a list of batches (1, 2, ...) and of shares of "
            "a task's batches (0.5)"
        )
    return value


class RunConfig(Settings):
    """A composed run. The four open sections are checked by the classes they name."""

    method: dict[str, Any]
    dataset: dict[str, Any]
    model: dict[str, Any]
    memory: dict[str, Any]
    device: DeviceSettings
    checkpoint: CheckpointSettings
    seed: int = Field(ge=0, lt=2**63)
    outputs: str = Field(min_length=1)
    force: bool
    # what becomes of results that are of other data than is there now, of another configuration,
    # or of a checkpoint that another kernel began
    stale: Literal["refuse", "keep"] = "refuse"
    quiet: bool
    plots: bool
    # with a default: the configs of runs that were recorded before there were trackers lack it
    tracker: dict[str, Any] = {"name": "none"}
    # the tasks tested after each task and before the first, and how many of them; runs recorded
    # before it was a choice lack it
    evaluate: Literal["all", "seen", "last"] = "all"
    evaluate_tasks: int | None = Field(default=None, ge=1)
    # tests within a task: every so many batches, or at these batches and shares of its batches
    evaluate_every: Annotated[int | list[int | float] | None, BeforeValidator(_batches)] = None
    # what a paper reports for this run (+paper=...); says nothing about how it is done
    recipe: dict[str, Any] | None = None

    @field_validator("outputs")
    @classmethod
    def _has_a_home(cls, value: str) -> str:
        try:
            Path(value).expanduser()
        except RuntimeError:
            raise ValueError("there is no such home directory") from None
        return value

    def identity(self) -> dict[str, Any]:
        """The part that determines the run's result."""
        return identity_of(self.model_dump())

    def fingerprint(self) -> str:
        """Eight hex digits of the sha256 of what determines the run's result."""
        text = json.dumps(self.identity(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def directory_name(self) -> str:
        """Readable choices, then the fingerprint that tells apart what they do not show."""
        memory, size = self.memory["name"], self.memory.get("size")
        parts = [self.method["name"], self.dataset["name"], self.model["name"]]
        if memory != "none":
            # a size that is no number is refused later, and must not lead out of `outputs` before
            parts.append(f"{memory}{size if isinstance(size, int) else ''}")
        if self.device.precision != "float32":
            parts.append(self.device.precision)
        return "-".join([*parts, f"seed{self.seed}", self.fingerprint()])


def identity_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What determines the result of a run, of its config as plain values."""
    sections = ("method", "dataset", "model", "memory", "seed")
    return {key: config.get(key) for key in sections} | further_identity(config)


def further_identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """What determines it beside these sections, where it is not the default; as the config has it.

    What was recorded before there was a choice has no such key.
    """
    found = {key: config.get(key) for key in ("evaluate", "evaluate_tasks", "evaluate_every")}
    found = {key: value for key, value in found.items() if value not in (None, "all")}
    device = config.get("device")
    precision = device.get("precision") if isinstance(device, Mapping) else None
    if precision not in (None, "float32"):
        found["device"] = {"precision": precision}
    return found


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted keys."""
    if not isinstance(values, Mapping):
        return {prefix: values}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


S = TypeVar("S", bound=Settings)


def check(values: dict[str, Any], schema: type[S], prefix: str = "") -> S:
    """``values`` as a ``schema``; a :class:`UsageError` of one line if they do not fit."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        unknown = any(item["type"] == "extra_forbidden" for item in error.errors())
        told = "; ".join(_sentences(error, schema, prefix))
        raise (NoSuchOption if unknown else UsageError)(told) from None


def check_run(values: dict[str, Any]) -> RunConfig:
    """The composed config as a :class:`RunConfig`, sections still open."""
    if isinstance(memory := values.get("memory"), dict) and memory.get("name") == "none":
        # a size without a memory means nothing, and must not make two runs out of one
        values = {**values, "memory": {**memory, "size": 0}}
    if isinstance(dataset := values.get("dataset"), dict):
        values = {**values, "dataset": {**dataset, **default_identity(dataset)}}
    cfg = check(values, RunConfig)
    for group in ("method", "dataset", "model", "memory", "tracker"):
        named = {key: getattr(cfg, group).get(key) for key in ("name", "implementation")}
        check(named, Section, group)
    return cfg


def default_identity(dataset: dict[str, Any]) -> dict[str, Any]:
    """``task_identity`` where the dataset leaves it to the scenario: the value of its table."""
    table = dataset.get("task_identity")
    if not isinstance(table, dict):
        return {}
    scenario = dataset.get("scenario")
    if blurred(dataset) and scenario != "task":
        return {"task_identity": "none"}
    return {"task_identity": table.get(str(scenario), "none")}


def blurred(dataset: dict[str, Any]) -> bool:
    """Whether tasks exchange samples with their neighbours, so that no batch is of one task."""
    blur = dataset.get("blur")
    return isinstance(blur, int | float) and blur > 0


def similar(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` when a known word is close, else an empty string."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.55)
    close.sort(key=lambda name: sorted(name) != sorted(word))  # first what has the same letters
    return f"; did you mean '{close[0]}'?" if close else ""


def _sentences(error: ValidationError, schema: type[BaseModel], prefix: str) -> list[str]:
    sentences: list[str] = []
    listed: list[list[str]] = []  # sections whose options are told
    for item in error.errors(include_url=False):
        path = [str(part) for part in item["loc"] if part != "[key]"]
        key = ".".join([prefix, *path] if prefix else path)
        if item["type"] == "extra_forbidden":
            known = _fields_at(schema, path[:-1])
            options = "" if path[:-1] in listed else f" (options: {', '.join(known)})"
            sentences.append(f"{key}: no such option{similar(path[-1], known)}{options}")
            listed.append(path[:-1])
        elif item["type"] == "missing":
            sentences.append(f"{key}: is missing; give it a value")
        else:
            got = item["input"]
            reason = item["msg"].removeprefix("Input ").removeprefix("Value error, ")
            sentences.append(f"{key}={got}: {reason}")
    return sentences


def _fields_at(schema: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        annotation = schema.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        schema = annotation
    return list(schema.model_fields)
