"""Every option of a choice with its values, its default and its meaning.

Which options there are, and what values they take, is what the typed settings of the choice's class
say. The default and the meaning stand side by side in its YAML: the value and the comment behind
it; where a YAML begins with others (``defaults``), they count too. An option that no YAML has is
described by its field.
"""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pydantic
import yaml

from cl_bench.config import origins, registry, schema
from cl_bench.config.choices import GROUPS, choices, files, implementation
from cl_bench.config.overrides import FIXED


@dataclass(frozen=True)
class Option:
    """``key`` as it is set on the command line; ``default`` in YAML's words."""

    key: str
    default: str
    values: str
    meaning: str


def options(group: str, choice: str) -> list[Option]:
    """All options of a choice of a group of :data:`~cl_bench.config.choices.GROUPS`."""
    settings = _settings(group, choice)
    if settings is None:
        return []
    written = _written(group, choice)
    defaults = _values(group, choice)
    found = []
    for key, values, default, meaning in _fields(settings.model_json_schema()):
        if key in (*FIXED, "read"):  # what is read has types of its own
            continue
        value = _at(defaults, key, default)
        found.append(Option(f"{group}.{key}", _shown(value), values, written.get(key) or meaning))
    if group == "dataset":
        found += _reading(written, defaults)
    return found


def run_options() -> list[Option]:
    """What every run has beside its groups."""
    text = (origins.package().conf / "config.yaml").read_text()
    written, values = dict(_comments(text)), yaml.safe_load(text)
    groups = set(GROUPS.values())
    return [
        Option(key, _shown(_at(values, key, default)), told, written.get(key) or meaning)
        for key, told, default, meaning in _fields(schema.RunConfig.model_json_schema())
        if key.partition(".")[0] not in groups and not key.startswith("recipe")
    ]


def print_options(group: str, choice: str, needs: str) -> None:
    """The choice, what it is and needs, and its options, in the width of the terminal."""
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    print(f"{group}={choice}")
    for part in filter(None, (*choices(group)[choice], needs)):
        print(textwrap.fill(part, width, initial_indent="  ", subsequent_indent="  "))
    for option in options(group, choice):
        first = f"{option.key}={option.default}"
        gap = " " * max(2, 34 - len(first))
        print(f"\n  {first}{gap}{option.values}")
        if option.meaning:
            told = textwrap.fill(
                option.meaning, width, initial_indent=" " * 6, subsequent_indent=" " * 6
            )
            print(told)


# -- the typed settings ---------------------------------------------------------------------------


def _settings(group: str, choice: str) -> type[pydantic.BaseModel] | None:
    """The typed settings of the choice's class."""
    if group == "device":
        return schema.DeviceSettings
    from cl_bench.run.classes import class_of

    if group == "dataset":
        return class_of("stream", str(_values(group, choice)["stream"])).Settings
    return registry.settings_of(class_of(group, implementation(group, choice)))


def _fields(table: dict[str, Any]) -> Iterator[tuple[str, str, Any, str]]:
    """Key, values, default and description of every field of a JSON schema, nested ones by their
    dotted keys."""
    parts = table.get("$defs", {})

    def walk(properties: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, Any, str]]:
        for key, field in properties.items():
            inner = parts.get(field.get("$ref", "").rpartition("/")[2])
            if inner is not None:
                yield from walk(inner["properties"], f"{prefix}{key}.")
            elif field.get("type") != "null":  # a field that a subclass has taken away
                told = field.get("description", "")
                yield f"{prefix}{key}", _told(field), field.get("default"), told

    yield from walk(table["properties"], "")


def _told(field: dict[str, Any]) -> str:
    """The values that a field of a JSON schema takes, in words."""
    if "anyOf" in field:
        return " | ".join(map(_told, field["anyOf"]))
    if "enum" in field or "const" in field:
        return " | ".join(map(str, field.get("enum", [field.get("const")])))
    kind = field.get("type")
    if kind == "array":
        return f"list of {_told(field['items']).replace('number', 'numbers', 1)}"
    if kind in ("integer", "number"):
        return _range("whole number" if kind == "integer" else "number", field)
    return {
        "boolean": "true | false", "null": "null", "string": "text", "object": "table",
    }.get(str(kind), "anything")  # fmt: skip


HUGE = 2**31  # an upper end from here on is one of the machine's


def _range(word: str, field: dict[str, Any]) -> str:
    low, over = field.get("minimum"), field.get("exclusiveMinimum")
    high, under = field.get("maximum"), field.get("exclusiveMaximum")
    high = None if high is not None and high >= HUGE else high
    under = None if under is not None and under >= HUGE else under
    start = f"[{low:g}" if low is not None else f"({over:g}" if over is not None else ""
    end = f"{high:g}]" if high is not None else f"{under:g})" if under is not None else ""
    if start and end:
        return f"{word} in {start}, {end}"
    if start:
        return f"{word} ≥ {low:g}" if low is not None else f"{word} > {over:g}"
    if end:
        return f"{word} ≤ {high:g}" if high is not None else f"{word} < {under:g}"
    return word


def _reading(written: dict[str, str], defaults: dict[str, Any]) -> list[Option]:
    """Options of the dataset's own ``load``."""
    from cl_bench import datasets

    load = datasets.module_of(str(defaults["source"])).load
    types = typing.get_type_hints(load, include_extras=True)
    taken: dict[str, Any] = {
        key: (types[key], parameter.default)
        for key, parameter in inspect.signature(load).parameters.items()
        if key not in ("name", "path")
    }
    table = pydantic.create_model("Read", **taken).model_json_schema()
    return [
        Option(f"dataset.read.{key}", _shown(_at(defaults, f"read.{key}", default)), values,
               written.get(f"read.{key}") or meaning)
        for key, values, default, meaning in _fields(table)
    ]  # fmt: skip


# -- the YAML -------------------------------------------------------------------------------------

_LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w.]+):(?P<value>.*?)(?:\s+#\s*(?P<comment>.*))?$")


def _files(group: str, choice: str) -> Iterator[tuple[Path, str]]:
    """The choice's YAML after those that it begins with, each with the key it is put under."""
    _, path = files(group)[choice]
    for base in (yaml.safe_load(path.read_text()) or {}).get("defaults", ()):
        if not isinstance(base, str) or base == "_self_":
            continue
        file, _, place = base.partition("@")
        if file.startswith("/"):
            under = place.removeprefix("_here_").removeprefix(group).lstrip(".")
            folder, _, name = file[1:].rpartition("/")
            yield files(folder)[name][1], under
        else:
            yield from _files(group, file)
    yield path, ""


@cache
def _written(group: str, choice: str) -> dict[str, str]:
    """Key below the group -> the comment behind its value."""
    found: dict[str, str] = {}
    for path, under in _files(group, choice):
        for key, comment in _comments(path.read_text()):
            name = key.removeprefix(f"{group}.")
            if comment:
                found[f"{under}.{name}" if under else name] = comment
    return found


def _comments(text: str) -> Iterator[tuple[str, str]]:
    """The dotted key of every line of a YAML that has one, and its comment."""
    parents: list[tuple[int, str]] = []
    for line in text.splitlines():
        if not (match := _LINE.match(line)):
            continue
        indent = len(match["indent"])
        parents = [parent for parent in parents if parent[0] < indent]
        yield ".".join([*(key for _, key in parents), match["key"]]), match["comment"] or ""
        parents.append((indent, match["key"]))


def _values(group: str, choice: str) -> dict[str, Any]:
    """The choice's section as its YAML has it."""
    found: dict[str, Any] = {}
    for path, under in _files(group, choice):
        values = yaml.safe_load(path.read_text())
        section = values.get(group) if isinstance(values.get(group), dict) else values
        _merge(found, {under: section} if under else section)
    return found


def _merge(found: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict):
            _merge(found[key], value)
        else:
            found[key] = value


def _at(values: Any, key: str, default: Any) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return default
        values = values[part]
    return values


def _shown(value: Any) -> str:
    """A value as it is written on the command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value)
