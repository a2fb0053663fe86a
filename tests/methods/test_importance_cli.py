"""MAS, SI and APD through the command line, on real digits."""

import json

OPTIONS = ("device=cpu", "device.threads=1", "plots=false", "quiet=true", "outputs=runs")


def test_importance_methods_learn_permutations(cli, tmp_path):
    short = ("dataset=digits_permutations", "dataset.tasks=3")
    done = cli("-m", "method=mas,si", *short, *OPTIONS)
    assert done.returncode == 0, done.stderr
    found = {path.name.split("-")[0]: path for path in (tmp_path / "runs").iterdir()}
    assert found.keys() == {"mas", "si"}
    for directory in found.values():
        assert json.loads((directory / "metrics.json").read_text())["la"] > 0.5


def test_apd_and_its_variants_learn_a_split(cli, tmp_path):
    short = ("dataset=digits_split", "dataset.epochs=3", "dataset.validation=0.2")
    done = cli("-m", "method=apd,apd1,apd-fixed", *short, *OPTIONS)
    assert done.returncode == 0, done.stderr
    found = {path.name.split("-digits")[0]: path for path in (tmp_path / "runs").iterdir()}
    assert found.keys() == {"apd", "apd1", "apd-fixed"}
    capacity = {}
    for name, directory in found.items():
        metrics = json.loads((directory / "metrics.json").read_text())
        diagnostics = json.loads((directory / "diagnostics.json").read_text())
        assert metrics["acc"] > 0.95
        assert abs(metrics["bwt"]) < 0.01
        assert len(diagnostics["capacity_after_task"]) == 5
        capacity[name] = metrics["capacity"]
    assert 1 < capacity["apd"] < capacity["apd1"]


def test_an_option_that_does_not_exist_is_named(cli):
    done = cli("method=mas", "method.scope=everywhere", "dataset=digits_permutations")
    assert done.returncode == 2
    assert "method.scope=everywhere" in done.stderr
    assert "'global' or 'local'" in done.stderr
