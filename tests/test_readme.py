"""What the documents show works as it stands there: the new method, every line for a shell."""

import re
import shutil
import subprocess
import sys

import pytest
from conftest import DIGITS, ROOT, environment

from cl_bench.cli.help import TEXT


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
    return re.findall(r"^(?: *)(cl-bench .*(?:(?<=\\)\n.*)*)", text, re.M)


def test_examples_are_what_a_shell_understands():
    texts = [path.read_text() for path in DOCUMENTS]
    shown = [re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.M | re.S) for text in texts]
    commands = [line for blocks in shown for block in blocks for line in examples(block)]
    commands += examples(TEXT.partition("Choosing a method")[2])
    assert len(commands) > 30
    for command in commands:
        parsed = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
        assert parsed.returncode == 0, f"{command}: {parsed.stderr}"
