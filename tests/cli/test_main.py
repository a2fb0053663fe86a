"""The command as users and scripts meet it: a subprocess, in another directory."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
import yaml
from conftest import DIGITS, environment

from cl_bench import __version__
from cl_bench.run import job

SHORT = (DIGITS, "dataset.tasks=3", "dataset.samples_per_task=200", "memory.size=60", "plots=false")
ESCAPE = re.compile("\x1b")


def run_directory(done, cwd: Path) -> Path:
    return cwd / done.stdout.splitlines()[-1]


def test_a_run_leaves_the_promised_record(cli, tmp_path):
    done = cli("method=gem", *SHORT[:-1])
    assert done.returncode == 0, done.stderr
    directory = run_directory(done, tmp_path)
    assert directory.parent == tmp_path / "outputs"
    table = pandas.read_csv(directory / "accuracy.csv")
    assert table.shape == (4, 3)
    metrics = json.loads((directory / "metrics.json").read_text())
    for key in ("acc", "bwt", "fwt", "la", "forgetting", "seconds_total", "seconds_train",
                "seconds_eval", "peak_rss_bytes", "bwt_authors_code"):  # fmt: skip
        assert isinstance(metrics[key], float | int), key
    assert metrics["acc"] == pytest.approx(table.iloc[-1].mean())
    assert metrics["seconds_train"] + metrics["seconds_eval"] <= metrics["seconds_total"]
    config = yaml.safe_load((directory / "config.yaml").read_text())
    assert config["method"].pop("optimizer")["name"] == "sgd"
    assert config["method"] == {
        "name": "gem", "lr": 0.1, "margin": 0.5, "margin_rule": "bound", "eps": 0.001,
    }  # fmt: skip
    assert config["memory"]["size"] == 60
    facts = json.loads((directory / "environment.json").read_text())
    assert len(facts["stream_sha256"]) == len(facts["dataset"]["sha256"]) == 64
    assert facts["packages"]["torch"]
    assert "finished" in (directory / "run.log").read_text()
    assert json.loads((directory / "status.json").read_text())["state"] == "finished"
    assert (directory / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert "| ACC |" in (directory / "summary.md").read_text()
    assert not ESCAPE.search(done.stdout + done.stderr)
    assert "accuracy so far" in done.stderr


def test_the_same_command_again_skips_and_force_runs(cli, tmp_path):
    first = cli("method=single", *SHORT)
    directory = run_directory(first, tmp_path)
    stamp = (directory / "accuracy.csv").stat().st_mtime_ns
    again = cli("method=single", *SHORT)
    assert again.returncode == 0
    assert "finished already" in again.stderr
    assert again.stdout == first.stdout
    assert (directory / "accuracy.csv").stat().st_mtime_ns == stamp
    content = (directory / "accuracy.csv").read_bytes()
    forced = cli("method=single", *SHORT, "force=true")
    assert forced.returncode == 0
    assert (directory / "accuracy.csv").stat().st_mtime_ns > stamp
    assert (directory / "accuracy.csv").read_bytes() == content  # the same seed, the same numbers


def test_two_methods_see_the_same_stream(cli, tmp_path):
    sums = []
    for method in ("gem", "single"):
        done = cli(f"method={method}", *SHORT, "-q")
        facts = json.loads((run_directory(done, tmp_path) / "environment.json").read_text())
        sums.append(facts["stream_sha256"])
    assert sums[0] == sums[1]


def test_quiet_prints_the_directory_alone(cli, tmp_path):
    done = cli("method=single", *SHORT, "-q")
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert run_directory(done, tmp_path).is_dir()


def test_a_sweep_runs_every_combination(cli, tmp_path):
    done = cli("method=single,gem", "-m", "seed=range(2)", *SHORT, "-q")  # in any order
    assert done.returncode == 0, done.stderr
    directories = [tmp_path / line for line in done.stdout.splitlines()]
    assert len(set(directories)) == 4
    assert all((d / "metrics.json").is_file() for d in directories)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["metod=gem"], "metod: no such option; did you mean 'method'?"),
        (["method=gemm"], "method=gemm: no such choice; did you mean 'gem'?"),
        (["method=gme"], "method=gme: no such choice; did you mean 'gem'?"),
        (["method.margn=1"], "method.margn: no such option; did you mean 'margin'?"),
        (["method.margin=-1"], "method.margin=-1: should be greater than or equal to 0"),
        (["method.margin=high"], "method.margin=high: should be a valid number"),
        (["method.margin_rule=both"], "method.margin_rule=both: should be 'bound' or 'added'"),
        (["+typo=1"], "typo: no such option"),
        (["+method.typo=1"], "method.typo: no such option"),
        (["memory=none"], "method=gem does not work with memory=none; choose memory=ring"),
        (["memory=reservoir"], "method=gem does not work with memory=reservoir"),
        (["model=multimodal"], "model=multimodal, which is for method=multimodal alone"),
        (["model=lenet", "model.hidden=[0]"], "model.hidden"),
        (["memory.size=2", "dataset.tasks=3"], "less than one sample for each of 3 tasks"),
        (["dataset.samples_per_task=5000"], "has only 1498 training samples"),
        (['outputs="~nobody-of-that-name/x"'], "there is no such home directory"),
        (["seed=-1"], "seed=-1: should be greater than or equal to 0"),
        (["method.lr=${nothing}"], "nothing"),
        (["method.lr="], "method.lr="),
        (["model.hidden=[0]"], "model.hidden"),
        (["seed=1", "=3"], "=3: is neither GROUP=CHOICE nor KEY=VALUE"),
        (["gem"], "gem: is neither GROUP=CHOICE nor KEY=VALUE"),
        ([""], "'': is neither"),
        (["device=3"], "takes the name of one of its choices"),
        (["device={a:1}"], "device: takes one of auto, cpu, cuda, mps; single options are set by"),
        (["device=ünï"], """quote a value with special characters: 'device="ünï"'"""),
        (["method.lr=½"], """'method.lr="½"'"""),
        (["outputs=~/x"], """'outputs="~/x"'"""),
        (["seed=1,"], "seed=1,: cannot be read"),
        (["seed=range(a)"], "seed=range(a): TypeError"),
        (["--foo"], "--foo: no such flag"),
        (["--multirn"], "did you mean '--multirun'?"),
        (["--cfg", "jobs"], "invalid choice: 'jobs'"),
    ],
)
def test_a_mistake_is_one_clear_line(inline, tmp_path, arguments, sentence):
    code, _, stderr = inline("method=gem", DIGITS, *arguments)
    assert code == 2, stderr
    assert sentence in stderr
    assert stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_a_value_quoted_as_the_sentence_says(inline):
    _, _, error = inline("outputs=~/it's")
    (word,) = shlex.split(error.partition("characters: ")[2])
    code, out, error = inline(word, "--cfg", "job", "--package", "outputs")
    assert code == 0, error
    assert "~/it's" in out


@pytest.mark.parametrize(
    ("word", "meant"), [("doctr", "doctor"), ("reprot", "report"), ("reprodce", "reproduce")]
)
def test_a_misspelt_command_is_one_clear_line(inline, word, meant):
    code, _, error = inline(word, "--list")
    assert code == 2
    assert f"{word}: no such command; did you mean '{meant}'?" in error
    assert error.count("\n") == 1


def test_flags_and_overrides_in_any_order(inline):
    code, out, error = inline("method=gem", "--cfg", "job", "--resolve", "method.lr=0.2")
    assert code == 0, error
    assert yaml.safe_load(out)["method"]["lr"] == 0.2


def test_a_mistake_ends_the_process_without_traceback(cli):
    done = cli("metod=gem")
    assert done.returncode == 2
    assert "did you mean 'method'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_gpu_is_a_failed_run(cli):
    done = cli(*SHORT, "device=cuda", env={"CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 1
    assert "choose device=cpu" in done.stderr


def test_outputs_that_cannot_be_written(cli, tmp_path):
    (tmp_path / "outputs").write_text("a file in the way")
    done = cli(*SHORT)
    assert done.returncode == 1
    assert "choose another outputs=DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_divergence_is_told(cli, tmp_path):
    done = cli("method=single", *SHORT, "method.lr=1e30")
    assert done.returncode == 1
    assert "lower method.lr" in done.stderr
    (directory,) = (tmp_path / "outputs").iterdir()
    assert json.loads((directory / "status.json").read_text())["state"] == "diverged"


def test_a_sweep_over_methods_takes_options_that_the_default_method_lacks(cli, tmp_path):
    done = cli("-m", "method=ewc,si", "method.strength=0.5", *SHORT, "-q")
    assert done.returncode == 0, done.stderr
    configs = [yaml.safe_load(p.read_text()) for p in tmp_path.glob("outputs/*/config.yaml")]
    assert [config["method"]["strength"] for config in configs] == [0.5, 0.5]


def test_an_option_that_some_method_of_a_sweep_lacks_is_told(cli, tmp_path):
    done = cli("-m", "method=ewc,single", "method.strength=0.5", *SHORT, "-q")
    assert done.returncode == 2
    assert done.stderr.startswith("cl-bench: method=single: method.strength: no such option (")
    assert not list(tmp_path.glob("outputs/*"))  # nor has the other one begun


def test_an_option_that_has_a_default_needs_no_place_in_the_yaml(cli, tmp_path):
    own = ("dataset=digits_rotations", "dataset.angles=free,bins", *SHORT[1:])
    done = cli("-m", "method=gem,er", *own, "-q")
    assert done.returncode == 0, done.stderr
    configs = [yaml.safe_load(p.read_text()) for p in tmp_path.glob("outputs/*/config.yaml")]
    angles = [config["dataset"]["angles"] for config in configs]
    assert sorted(angles) == ["bins", "bins", "free", "free"]


def test_a_sweep_over_nothing_is_told(inline, tmp_path):
    code, _, error = inline("-m", "method=single", "seed=range(0)", *SHORT)
    assert code == 2
    assert error == "cl-bench: the sweep has no runs: one of its lists or ranges is empty\n"
    assert not (tmp_path / "outputs" / ".sweeps").exists()


def test_a_failure_in_a_sweep_leaves_its_siblings(cli, tmp_path):
    done = cli("-m", "method=single", "method.lr=1e30,0.1", *SHORT, "-q")
    assert done.returncode == 1
    states = [
        json.loads(path.read_text())["state"] for path in tmp_path.glob("outputs/*/status.json")
    ]
    assert sorted(states) == ["diverged", "finished"]


def test_interrupt_is_130_and_recorded(tmp_path):
    command = [sys.executable, "-m", "cl_bench", "method=gem", DIGITS, "dataset.epochs=50"]
    child = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    while "learned" not in child.stderr.readline():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    _, rest = child.communicate()
    assert child.returncode == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest
    (directory,) = (tmp_path / "outputs").iterdir()
    assert json.loads((directory / "status.json").read_text())["state"] == "interrupted"
    assert not (directory / "metrics.json").exists()


def on_terminal(arguments: list[str], cwd: Path, extra: dict[str, str]) -> str:
    """What a user sees: both outputs on one pseudo-terminal."""
    main, child_end = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "cl_bench", *arguments],
        cwd=cwd, env=environment({"TERM": "xterm-256color", "COLUMNS": "100", **extra}),
        stdin=child_end, stdout=child_end, stderr=child_end,
    )  # fmt: skip
    os.close(child_end)
    seen = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(main)
    assert child.wait() == 0
    return seen.decode()


def test_a_terminal_gets_progress_and_colour(tmp_path):
    seen = on_terminal(["method=gem", *SHORT], tmp_path, {})
    assert "task 3 of 3" in seen
    assert "\x1b[" in seen
    assert "48;" in seen  # background colours of the heat table


def test_no_color_is_respected(tmp_path):
    seen = on_terminal(["method=gem", *SHORT], tmp_path, {"NO_COLOR": "1"})
    assert "ACC" in seen
    assert "38;" not in seen
    assert "48;" not in seen


def test_ls_says_what_there_is(cli):
    done = cli("ls")
    assert done.returncode == 0
    for word in ("methods", "gem", "Lopez-Paz", "digits_permutations", "ring", "cuda"):
        assert word in done.stdout
    assert "digits_permutations" not in cli("ls", "methods").stdout
    wrong = cli("ls", "metods")
    assert wrong.returncode == 2
    assert "did you mean 'methods'? (lists: methods, " in wrong.stderr


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["method=gem", "-h"], ["show", "-h"]])
def test_help_shows_groups_and_examples(inline, words):
    code, out, _ = inline(*words)
    assert code == 0
    for word in ("method: ", "gem", "cl-bench -m method=single,gem", "memory.size", "-sc install"):
        assert word in out


def test_cfg_shows_what_would_run(cli, tmp_path):
    done = cli("method=gem", "dataset=mnist_permutations", "--cfg", "job", "--resolve")
    config = yaml.safe_load(done.stdout)
    assert config["method"]["margin"] == 0.5
    assert config["memory"] == {
        "name": "ring", "size": 5120, "tasks": "known", "authors_cursor": False,
    }  # fmt: skip
    assert (config["dataset"]["tasks"], config["dataset"]["samples_per_task"]) == (20, 1000)
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cl-bench meth", "method="),
        ("cl-bench method=", "method=gem"),
        ("cl-bench method=gem memory.s", "memory.size="),
    ],
)
def test_completion(cli, line, expected):
    done = cli("-sc", "query=bash", env={"COMP_LINE": line, "COMP_POINT": str(len(line))})
    assert expected in done.stdout.split()


def test_completion_of_an_unfinished_word_is_silent(cli):
    line = "cl-bench meth dataset=mnist_"
    done = cli("-sc", "query=bash", env={"COMP_LINE": line, "COMP_POINT": str(len(line))})
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize(
    "arguments", [["ls"], ["ls", "runs", "."], ["--help"], ["-sc", "query=bash"]]
)
def test_light_commands_import_nothing_heavy(tmp_path, arguments):
    code = (
        "import sys; from cl_bench.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'scipy', 'matplotlib', 'sklearn', 'pydantic', 'numpy'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    env = environment({"COMP_LINE": "cl-bench method=", "COMP_POINT": "16"})
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_version_is_ours(inline):
    assert inline("--version")[:2] == (0, f"cl-bench {__version__}\n")


def test_a_bare_command_says_what_it_starts(inline, monkeypatch):
    monkeypatch.setattr(job, "run_job", lambda *arguments: job.Outcome("duplicate"))
    code, _, error = inline()
    assert code == 0
    assert "the default run: method=gem dataset=mnist_permutations" in error


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--experimental-rerun", "x.pickle"], "it unpickles a file"),
        (["--config-path", "x"], "--config-dir DIR adds your own"),
        (["hydra.callbacks.x._target_=os.system"], "code is chosen by its group alone"),
        (["hydra.mode=MULTIRUN"], "of Hydra's own settings only hydra/launcher"),
        (["hydra.searchpath=[pkg://os]"], "of Hydra's own settings only hydra/launcher"),
        (["+method=gem"], "write method=gem, without the plus"),
        (["~method"], "a run needs its method"),
        (["dataset.source=mnist"], "choose with dataset=..."),
        (["tuned=x"], "tuned settings come with the method and the dataset"),
        (["method=gem,er"], "add -m"),
        (["method.lr=(1)"], "quote a value with special characters"),
        (["+seed=1"], "leave the plus out: seed=VALUE"),
        (["method.lr=???"], "method.lr: is missing; give it a value"),
        (["outputs=${oc.env:NOT_THERE}"], "export it, or write its value"),
        (["method=null"], "cl-bench ls shows them"),
        (["method=???"], "choose one of those that cl-bench ls shows"),
        (["-sc", "install=nope"], "no such shell; choose bash, zsh or fish"),
        (["-sc"], "to have TAB complete"),
        (["a.b.c=1"], "a.b.c: no such option (options: "),
        (["dataset.stream=base"], "stream=base: is no choice; choose from angles, class_split, "),
        (["method.lr=1e39"], "should be at most 3.4e+38"),
        (["memory.size=" + "9" * 26], "should be less than 2**63"),
        (["-sc", "query=bash"], "is what the shell asks when TAB is pressed"),
    ],
)
def test_what_a_run_must_not_take_is_told_with_the_fix(inline, tmp_path, words, sentence):
    code, _, error = inline(DIGITS, *words)
    assert code == 2, error
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_configurations_of_ones_own(inline, tmp_path):
    (tmp_path / "own" / "dataset").mkdir(parents=True)
    (tmp_path / "own" / "dataset" / "few.yaml").write_text(
        "# as hydra has it\ndefaults: [digits_permutations, _self_]\nname: few\ntasks: 2\n"
    )
    code, out, error = inline("--config-dir", str(tmp_path / "own"), "dataset=few", "--cfg", "job")
    assert code == 0, error
    assert yaml.safe_load(out)["dataset"]["tasks"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "# @package _global_\nhydra: {callbacks: {x: {_target_: os.mkdir, path: gone}}}\n",
        "# @package hydra.callbacks\nx: {y: 1}\n",
        'read: {"_\\x74arget_": os.mkdir, path: gone}\n',
        "defaults: [/other@hydra.callbacks]\n",
    ],
)
def test_configurations_of_ones_own_are_no_code(inline, tmp_path, text):
    (tmp_path / "own" / "dataset").mkdir(parents=True)
    (tmp_path / "own" / "dataset" / "worse.yaml").write_text(text)
    code, _, error = inline("-m", "--config-dir", "own", "dataset=worse")
    assert code == 2
    assert "worse.yaml sets something of Hydra's own; leave hydra and _target_ out" in error
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("words", [["ls"], ["-h"], ["method=single", *SHORT]])
def test_a_reader_that_leaves_ends_it_silently(tmp_path, words):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "cl_bench", *words],
        cwd=tmp_path, env=environment(), stdout=write, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 0
    assert "Pipe" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["ls"], ["report", "--help"], ["reproduce", "--list"]])
def test_a_terminal_without_the_signs_shows_the_rest(cli, words):
    done = cli(*words, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    ("variable", "words", "code", "sentence"),
    [
        ("MPLBACKEND=nope", ["method=single"], 0, "unset MPLBACKEND, or correct it"),
        (
            "NUMBA_NUM_THREADS=-1",
            ["method=mer", "method.batches=1", "method.replay=1", "plots=false"],
            0,
            "generic inner loop: numba does not start (",
        ),
        (
            "NUMBA_NUM_THREADS=x",
            ["method=mer", "method.kernel=compiled"],
            2,
            "correct the NUMBA_ variables of the environment",
        ),
        ("OMP_NUM_THREADS=x", ["method=single", "plots=false"], 0, "accuracy so far"),
        ("COLUMNS=-1", ["method=single", "plots=false"], 0, "accuracy so far"),
    ],
)
def test_a_variable_of_the_environment_that_is_wrong(cli, variable, words, code, sentence):
    name, _, value = variable.partition("=")
    few = ("dataset.tasks=2", "dataset.samples_per_task=20", "model.hidden=[5]", "memory.size=8")
    done = cli(DIGITS, *few, *words, env={name: value})
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
