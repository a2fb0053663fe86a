"""Options as they are told are those that a run takes."""

import re

import pytest

from cl_bench.cli.options import options, run_options
from cl_bench.config.choices import GROUPS, choices
from cl_bench.config.compose import config_of

EVERY = [(group, name) for group in GROUPS.values() for name in choices(group)]


@pytest.mark.parametrize(("group", "choice"), EVERY)
def test_every_option_has_values_and_a_meaning(group, choice):
    for option in options(group, choice):
        assert option.values, option
        assert len(option.meaning) > 3, option


@pytest.mark.parametrize("choice", ["gem", "apd1", "mer", "ewc"])
def test_defaults_are_those_of_a_run(choice):
    # on a dataset that nobody has tuned a method for
    section = config_of([f"method={choice}", "dataset=digits_split"]).method
    found = {
        option.key.removeprefix("method."): option.default for option in options("method", choice)
    }
    assert found["lr"] == str(section["lr"])
    plain = {key for key, value in section.items() if not isinstance(value, dict)}
    assert plain - {"name", "implementation"} <= set(found)
    if "optimizer" in section:
        assert found["optimizer.name"] == section["optimizer"]["name"]


def test_the_type_of_an_option_is_told_in_words():
    found = {option.key: option.values for option in options("method", "gem")}
    assert found["method.margin"] == "number ≥ 0"
    assert found["method.margin_rule"] == "bound | added"
    assert found["method.optimizer.momentum"] == "number in [0, 1)"
    found = {option.key: option.values for option in options("dataset", "folder")}
    assert found["dataset.samples_per_task"] == "whole number ≥ 1 | null"
    assert found["dataset.read.size"] == "whole number in [1, 1024] | null"
    assert "method.optimizer.name" not in {o.key for o in options("method", "mer")}
    assert {option.key for option in run_options()} >= {"seed", "outputs", "checkpoint.every"}


def test_ls_prints_the_options_of_a_choice(inline, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = inline("ls", "gem")
    assert code == 0
    assert out.startswith("method=gem\n")
    assert "needs: memory, identity in training" in out
    assert re.search(r"method\.margin=0\.5 +number ≥ 0\n +gamma", out)
    assert max(map(len, out.splitlines())) <= 80
    both = inline("ls", "multimodal")[1]
    assert "method=multimodal\n" in both
    assert "model=multimodal\n" in both
    assert "method=multimodal\n" not in inline("ls", "model=multimodal")[1]


def test_what_there_is_not_is_one_sentence(inline):
    code, _, error = inline("ls", "gam")
    assert code == 2
    assert "ls gam: no such list or choice; did you mean 'gem'" in error
    assert len(error.splitlines()) == 1
