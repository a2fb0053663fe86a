"""What ``cl-bench ls`` says is what the classes say."""

import contextlib
import io
from typing import get_args

import pytest
import yaml
from small_runs import METHODS

from cl_bench import metrics
from cl_bench.cli import ls
from cl_bench.config import registry
from cl_bench.config.choices import GROUPS, choices, files, implementation
from cl_bench.config.compose import compose
from cl_bench.config.pairing import Need, in_yaml
from cl_bench.config.registry import declared
from cl_bench.memory.base import Memory
from cl_bench.methods.base import Method


@pytest.fixture(scope="module")
def methods():
    """What `ls methods` prints, line by line."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        ls.main(["methods"])
    return out.getvalue().splitlines()


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_line_tells_its_needs(name, methods):
    section = compose([f"method={name}"]).method
    file = section.get("implementation") or section["name"]
    assert implementation("method", name) == file
    cls = registry.find("method", file, Method)
    for attribute in ("needs", "needs_with", "memory_needs"):
        assert declared("method", file, attribute) == getattr(cls, attribute)
    wanted = [*(["memory"] if cls.memory_needs else []), *cls.needs]
    wanted += [f"{need} ({key}={in_yaml(value)})" for key, value, need in cls.needs_with]
    lines = [line for line in methods if f"  {name} " in line]
    told = lines[0].partition("needs: ")[2].split(", ")
    assert sorted(told) == sorted(wanted or ["nothing"])
    assert cls.needs <= set(get_args(Need))


@pytest.mark.parametrize("name", choices("memory"))
def test_what_is_read_of_a_memory_is_what_its_class_says(name):
    cls = registry.find("memory", name, Memory)
    for attribute in ("needs", "abilities"):
        assert declared("memory", name, attribute) == getattr(cls, attribute)


def test_every_metric_has_its_line(capsys):
    ls.main(["metrics"])
    lines = capsys.readouterr().out.splitlines()[1:]
    told = {line.split()[0]: line.strip().partition("  ")[2].strip() for line in lines}
    assert told == {m.key: f"{m.heading} · {m.meaning}" for m in metrics.known().values()}


@pytest.mark.parametrize("group", GROUPS.values())
def test_every_choice_has_its_line_and_its_name(group):
    for name, parts in choices(group).items():
        assert parts[0], f"conf/{group}/{name}.yaml begins with no comment"
        content = yaml.safe_load(files(group)[name][1].read_text())
        assert content.get(group, content)["name"] == name
