"""What the documents show works as it stands there: the new method, every line for a shell."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from string import Template

import pytest
from conftest import DIGITS, ROOT, environment

from cl_bench.cli.help import TEXT
from cl_bench.config.choices import GROUPS, choices
from cl_bench.config.combinations import combinations
from cl_bench.config.compose import config_of
from cl_bench.config.overrides import read_line
from cl_bench.errors import UsageError


@pytest.fixture
def copy(tmp_path):
    """The package with the README's files added, as a user would add them."""
    for folder in ("cl_bench", "conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    readme = (ROOT / "README.md").read_text()
    files = re.findall(r"^`([\w/.]+)`\n```\w+\n(.*?)^```", readme, re.M | re.S)
    assert [name for name, _ in files] == ["cl_bench/methods/anchor.py", "conf/method/anchor.yaml"]
    for name, content in files:
        (tmp_path / name).write_text(content)
    return tmp_path


def run(copy, *arguments):
    env = {**environment(), "PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "cl_bench", *arguments]
    return subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True)


def test_the_new_method_runs_is_listed_and_checked(copy):
    short = (DIGITS, "dataset.tasks=2", "dataset.samples_per_task=100", "plots=false")
    done = run(copy, "method=anchor", *short)
    assert done.returncode == 0, done.stderr
    assert "anchor-digits_permutations" in done.stdout.splitlines()[-1]
    assert "stay close" in run(copy, "ls", "methods").stdout
    wrong = run(copy, "method=anchor", "method.strength=-1", *short)
    assert wrong.returncode == 2
    assert "method.strength=-1" in wrong.stderr


DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]


def examples(text):
    """Lines that begin with the command, with the lines that they go on in."""
    return re.findall(r"^(?: *)(?:! )?(cl-bench .*(?:(?<=\\)\n.*)*)", text, re.M)


def documented():
    """Every command of the documents and of the help as words, with the variables of its block."""
    texts = [path.read_text() for path in DOCUMENTS]
    blocks = [
        b
        for text in texts
        for b in re.findall(r"^```(?:sh(?: run)?)?\n(.*?)^```", text, re.M | re.S)
    ]
    for block in [*blocks, TEXT.partition("Choosing a method")[2]]:
        variables = dict(re.findall(r"^(\w+)='([^']*)'", block, re.M))
        variables |= dict(re.findall(r'^(\w+)="([^"]*)"', block, re.M))
        for line in examples(block):
            plain = Template(line).safe_substitute(variables)
            yield line, shlex.split(plain.replace("\\\n", " "), comments=True)[1:]


def test_examples_compose():
    """Each names what there is: a run or a sweep composes, a command's options are its own."""
    commands = list(documented())
    assert len(commands) > 30
    for line, words in commands:
        try:
            understood(words)
        except (UsageError, SystemExit) as error:
            pytest.fail(f"{line}: {error}")


def understood(words):
    if words[0] in ("report", "predict", "export", "forget", "reproduce"):
        command = importlib.import_module(f"cl_bench.cli.{words[0]}")
        command.parser().parse_known_args(words[1:])
    elif words[0] == "show":
        config_of(words[1:])
    elif words[0] in ("ls", "doctor"):
        there = {name for group in GROUPS.values() for name in choices(group)}
        assert len(words) == 1 or words[1] in (*GROUPS, "runs", *there)
    else:
        line = read_line(words)
        jobs = combinations(line.overrides, line.sweep)
        for job in (jobs[0], jobs[-1]):
            config_of(job)
