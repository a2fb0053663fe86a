"""Masks for tests alone: one network, tested in two scenarios."""

import json

import numpy as np
import pytest
from cut_runs import result
from small_runs import small

from cl_bench.config.compose import config_of
from cl_bench.errors import UsageError
from cl_bench.files import atomic
from cl_bench.results.record import read_accuracy
from cl_bench.run.build import choose
from cl_bench.run.execute import execute

SPLIT = ("dataset=digits_split", "dataset.tasks=5")


@pytest.mark.parametrize("method", ["single", "der", "er_ace", "mer"])
def test_the_scenario_makes_another_test_and_no_other_network(tmp_path, monkeypatch, method):
    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: None)
    found, tested_twice = {}, {}
    for name, options in {
        "class": ["dataset.scenario=class", "+dataset.loss_outputs=all"],
        "task": ["dataset.scenario=task", "+dataset.loss_outputs=all"],
        "masked": ["dataset.scenario=task"],
    }.items():
        execute(config_of(small(method, *SPLIT, *options)), tmp_path / name, show_bar=False)
        matrix = read_accuracy(tmp_path / name)[1]
        values = json.loads((tmp_path / name / "metrics.json").read_text())
        found[name] = (result(tmp_path / name)[1], matrix, values["acc"])
        tested_twice[name] = values.get("acc_task")
    assert found["class"][0] == found["task"][0]
    assert found["task"][0] != found["masked"][0]
    # among fewer outputs no answer becomes wrong
    assert (found["task"][1][1:] >= found["class"][1][1:]).all()
    assert found["task"][2] > found["class"][2]
    # so one run tells both
    assert tested_twice == {"class": found["task"][2], "task": None, "masked": None}
    assert np.isfinite(found["masked"][1]).all()


def test_der_s_sequential_mnist_and_online_cifar_say_what_they_are():
    sequential = config_of(["method=der", "dataset=mnist_sequential"]).dataset
    assert (sequential["scenario"], sequential["loss_outputs"]) == ("class", "all")
    assert (sequential["tasks"], sequential["batch_size"], sequential["epochs"]) == (5, 10, 1)
    assert sequential["task_identity"] == "train"
    online = config_of(["method=er_ace", "dataset=cifar10_online"])
    assert (online.dataset["scenario"], online.dataset["tasks"]) == ("class", 5)
    assert (online.dataset["batch_size"], online.model["name"]) == (10, "resnet18")


def test_another_word_is_refused():
    with pytest.raises(UsageError, match=r"dataset\.loss_outputs=none: should be 'scenario' or"):
        choose(config_of(["dataset=mnist_sequential", "dataset.loss_outputs=none"]))
