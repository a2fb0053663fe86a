import re

import pytest
from conftest import DIGITS

from cl_bench.config.combinations import combinations
from cl_bench.config.overrides import read_line
from cl_bench.sweep.plan import plan

SHORT = (DIGITS, "dataset.tasks=2", "dataset.samples_per_task=60", "plots=false", "memory.size=20")


def test_combinations_are_those_of_a_sweep():
    words = ["method=single,gem", "seed=range(2)", "memory.size=200", "model.hidden=[3,4]"]
    assert combinations(words, sweep=True) == [
        [method, seed, "memory.size=200", "model.hidden=[3,4]"]
        for method in ("method=single", "method=gem")
        for seed in ("seed=0", "seed=1")
    ]


def test_finished_to_do_and_an_estimate(inline, tmp_path):
    assert inline("method=single", *SHORT, "-q")[0] == 0
    done = next(path.name for path in (tmp_path / "outputs").iterdir() if path.name[0] != ".")
    words = ["-m", "method=single,er", "seed=0,1", *SHORT, "--dry-run"]
    code, out, error = inline(*words)
    assert code == 0, error
    assert re.search(rf"finished +outputs/{done}", out)
    assert re.search(r"to do +[\d.]+ s +outputs/single-.*-seed1", out)
    assert len(re.findall(r"to do +\? +outputs/er-", out)) == 2  # no run of this method to judge by
    assert "4 runs, 1 finished, 3 to do: about" in out
    assert "no earlier run to judge 2 of them by" in out
    for word in ("force=true", "force=True"):
        assert "4 to do" in inline(*words, word)[1]


def test_longer_runs_take_longer(inline, tmp_path, monkeypatch):
    assert inline("method=single", *SHORT, "-q")[0] == 0
    monkeypatch.chdir(tmp_path)
    short, long = (
        plan(
            read_line(
                ["-m", "method=single", "seed=1", *SHORT[:1], f"dataset.tasks={tasks}", *SHORT[2:]]
            )
        )
        for tasks in (2, 6)
    )
    assert long[0].seconds == pytest.approx(3 * short[0].seconds)


def test_a_pattern_is_a_sweep_over_what_it_matches(inline):
    code, out, error = inline("-m", "method=glob(si*)", *SHORT, "--dry-run")
    assert code == 0, error
    assert "2 runs, 0 finished, 2 to do" in out  # si and single


def test_nothing_is_run(inline, tmp_path):
    assert inline("method=single", *SHORT, "-q", "--dry-run")[0] == 0
    assert not (tmp_path / "outputs").exists()


def test_a_sweep_with_a_launcher_is_planned_without_a_warning(cli):
    done = cli("-m", "seed=0,1", *SHORT, "hydra/launcher=joblib", "--dry-run")
    assert "2 to do" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["method=single,gem"], "add -m"),
        (["-m", "method=gm"], "method=gm"),
        (["-m", "method=gem", "--cfg", "job"], "does not go with --cfg"),
        (["-m", "seed=interval(0,1)"], "only lists and ranges"),
        (["-m", "seed=-1,2"], "greater than or equal to 0"),
        (["-m", "seed=1,,2"], "seed"),
        (["-m", "seed=range(0)"], "the sweep has no runs"),
        (["-m", "method=single,gem", "memory.sie=3"], "did you mean 'size'?"),
        (["device=3"], "takes the name of one of its choices"),
        (["=3"], "=3: is neither"),
        (["-m", "method=gem", "method.lr=-1,1"], "method.lr=-1: should be greater than 0"),
        (["dataset.tasks=nan"], "dataset.tasks=nan: should be a valid integer"),
        (["method=icarl", "memory=ring"], "choose memory=exemplars"),
        (["method.lr=1e39"], "should be at most 3.4e+38"),
        (["-m", "seed=range(1000000)"], "the sweep has 1000000 runs; at most 10000 make one"),
        (["-m", "seed=range(1000)", "dataset.seed=range(1000)"], "the sweep has 1000000 runs"),
        (["-m", "seed=range(1,2,0)"], "a range needs a step other than 0"),
    ],
)
def test_a_mistake_is_one_line(inline, words, sentence):
    code, _, error = inline(*words, "--dry-run")
    assert code == 2
    assert sentence in error
    assert error.count("\n") == 1
