"""What the documents show works as it stands there: the new method, every line for a shell."""

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from string import Template

import numpy as np
import pytest
from conftest import DIGITS, ROOT, environment

from cl_bench.check import new
from cl_bench.cli import tune
from cl_bench.cli.help import TEXT
from cl_bench.config import origins
from cl_bench.config.choices import GROUPS, choices
from cl_bench.config.combinations import combinations
from cl_bench.config.compose import config_of
from cl_bench.config.overrides import read_line
from cl_bench.errors import UsageError


@pytest.fixture
def own_method(tmp_path):
    """The README's files, as a user would write them; where commands run is beside them."""
    readme = (ROOT / "README.md").read_text()
    files = re.findall(r"^`([\w/.]+)`\n```\w+\n(.*?)^```", readme, re.M | re.S)
    assert [name for name, _ in files] == [
        "mylab/methods/anchor.py",
        "mylab/conf/method/anchor.yaml",
    ]
    for name, content in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


def run(here, *arguments, **more):
    command = [sys.executable, "-m", "cl_bench", "--include", "../mylab", *arguments]
    more = {"env": environment(), **more}
    return subprocess.run(command, cwd=here, capture_output=True, text=True, **more)


SHORT = (DIGITS, "dataset.tasks=2", "dataset.samples_per_task=100", "plots=false", "device=cpu",
         "device.threads=1")  # fmt: skip


def test_the_new_method_runs_is_listed_and_checked(own_method):
    done = run(own_method, "method=anchor", *SHORT)
    assert done.returncode == 0, done.stderr
    directory = own_method / done.stdout.splitlines()[-1]
    assert directory.name.startswith("anchor-digits_permutations")
    facts = json.loads((directory / "environment.json").read_text())
    assert list(facts["included"]) == ["mylab"]
    (line,) = [line for line in run(own_method, "ls").stdout.splitlines() if "stay close" in line]
    assert line.endswith("from mylab")
    wrong = run(own_method, "method=anchor", "method.strength=-1", *SHORT)
    assert wrong.returncode == 2
    assert "method.strength=-1" in wrong.stderr
    code = run(own_method, "check", "../mylab")
    assert code.returncode == 0, code.stdout


def test_a_sweep_brings_it_to_its_workers_and_a_report_keeps_its_code_apart(own_method):
    words = ("-m", "method=anchor,single", "seed=0,1", *SHORT, "hydra/launcher=joblib")
    done = run(own_method, *words)
    assert done.returncode == 0, done.stderr
    assert "4 runs" in done.stdout
    report = run(own_method, "report", "outputs", "--format", "csv").stdout
    assert len(report.splitlines()) == 3
    path = own_method.parent / "mylab" / "methods" / "anchor.py"
    path.write_text(path.read_text() + "\n# another thought\n")
    again = run(own_method, "method=anchor", "seed=0", *SHORT)
    assert "has results of other code of mylab; force=true" in again.stderr
    assert run(own_method, "method=anchor", "seed=0", "force=true", *SHORT).returncode == 0
    told = run(own_method, "report", "outputs")
    assert "runs with equal settings but different code versions are kept apart" in told.stdout
    rows = run(own_method, "report", "outputs", "--format", "csv").stdout.splitlines()[1:]
    # the folder has no part in the other method's runs
    assert [row.split(",")[0] for row in rows] == ["anchor", "anchor", "single"]


def test_it_goes_on_where_it_was_killed_unless_its_code_has_changed(own_method):
    path = own_method.parent / "mylab" / "methods" / "anchor.py"
    observe = "    def observe(self, x, y, task):\n"
    dies = (
        observe + "        if next(CALLS) == int(os.environ.get('DIE_AT', -1)):\n"
        "            os.kill(os.getpid(), 9)\n"
    )
    code = path.read_text().replace(observe, dies)
    path.write_text("import itertools\nimport os\n\nCALLS = itertools.count()\n\n" + code)
    words = ["method=anchor", *SHORT, "checkpoint.every=0"]
    whole = own_method / run(own_method, *words, "outputs=whole", "-q").stdout.strip()
    killed = run(own_method, *words, env=environment({"DIE_AT": "13"}))
    assert killed.returncode == -9
    directory = own_method / "outputs" / whole.name
    other = shutil.copytree(directory, own_method / "other" / whole.name)
    done = run(own_method, *words)
    assert done.returncode == 0, done.stderr
    assert "continued after task 1/2 and 3 batches of the next" in done.stderr
    for name in ("accuracy.csv", "model.safetensors"):
        assert (directory / name).read_bytes() == (whole / name).read_bytes()
    path.write_text(path.read_text() + "\n# another thought\n")
    done = run(own_method, *words, "outputs=other")
    assert done.returncode == 0, done.stderr
    assert "it belongs to another version of mylab; it is set aside" in done.stderr
    assert (other / "checkpoint.safetensors.unusable1").exists()


def test_predict_needs_the_folder_and_takes_it_from_the_user_alone(own_method):
    directory = run(own_method, "method=anchor", *SHORT, "-q").stdout.strip()
    np.savez(own_method / "in.npz", x=np.zeros((3, 8, 8), dtype=np.uint8))
    assert run(own_method, "predict", directory, "in.npz").returncode == 0
    command = [sys.executable, "-m", "cl_bench", "predict", directory, "in.npz"]
    done = subprocess.run(
        command, cwd=own_method, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "method=anchor: is no choice" in done.stderr


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


@pytest.fixture
def all_own(own_method):
    """The folder of the documents' examples, with a choice of every kind."""
    folder = own_method.parent / "mylab"
    for kind, name in (("model", "net"), ("dataset", "quarters"), ("stream", "rolled"),
                       ("memory", "last"), ("metric", "worst")):  # fmt: skip
        new.write(kind, name, folder)
    yield folder
    origins.include([])


def test_examples_compose(all_own):
    """Each names what there is: a run or a sweep composes, a command's options are its own."""
    commands = {tuple(words): line for line, words in documented()}
    assert len(commands) > 30
    for words, line in commands.items():
        try:
            origins.include([all_own])
            understood(without_include(list(words)))
        except (UsageError, SystemExit) as error:
            pytest.fail(f"{line}: {error}")


def without_include(words):
    if "--include" not in words:
        return words
    place = words.index("--include")
    return words[:place] + words[place + 2 :]


def understood(words):
    if words[0] in ("new", "check", "report", "predict", "export", "forget", "reproduce"):
        command = importlib.import_module(f"cl_bench.cli.{words[0]}")
        command.parser().parse_known_args(words[1:])
    elif words[0] == "tune":
        tune.tunings_of(tune.parser().parse_intermixed_args(words[1:]))
    elif words[0] == "show":
        config_of(words[1:])
    elif words[0] in ("ls", "doctor"):
        there = {name for group in GROUPS.values() for name in choices(group)}
        assert len(words) == 1 or words[1] in (*GROUPS, "metrics", "runs", *there)
    else:
        line = read_line(words)
        jobs = combinations(line.overrides, line.sweep)
        for job in {tuple(jobs[0]), tuple(jobs[-1])}:
            config_of(job)
