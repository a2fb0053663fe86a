"""Which tasks are tested, and what is said of those that are not."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from cut_runs import interrupted, result
from one_method import begin, observe, small_run
from small_runs import small

import cl_bench
from cl_bench.api.result import Result
from cl_bench.config.compose import config_of
from cl_bench.results.record import read_accuracy
from cl_bench.run import learn
from cl_bench.run.evaluate import evaluate, measure
from cl_bench.run.execute import execute

METHODS = {
    "independent": ["method=independent"],
    "fine-tuned": ["method=independent", "method.finetune=true"],
    "apd": ["method=apd"],
    "packnet": ["method=packnet"],
    "one network": ["method=single"],
}


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_tested_again_is_as_it_was(method, monkeypatch):
    run = small_run(*METHODS[method])
    tasks = run.stream.tasks
    asked = []
    monkeypatch.setattr(
        "cl_bench.run.evaluate.evaluate",
        lambda run, some: asked.append(len(some)) or evaluate(run, some),
    )
    row = measure(run, 0)
    for learned, task in enumerate(tasks, start=1):
        begin(run, task)
        observe(run, task)
        learn.end_task(run, task)
        row = measure(run, learned, row)
        np.testing.assert_array_equal(row, evaluate(run))
    expected = {
        "independent": [4, 1, 1, 1, 1], "fine-tuned": [4, 1, 1, 1, 1], "apd": [4, 1, 2, 3, 4],
        "packnet": [4, 4, 3, 2, 1], "one network": [4, 4, 4, 4, 4],
    }  # fmt: skip
    assert asked == expected[method]


def test_more_classes_are_another_answer_of_equal_outputs(monkeypatch):
    run = small_run("method=single", "dataset=digits_split", "dataset.tasks=5",
                    "dataset.scenario=class")  # fmt: skip
    monkeypatch.setattr(type(run.method), "moves", lambda self, learned, tested: False)
    rows = [measure(run, 0)]
    for learned, task in enumerate(run.stream.tasks[:3], start=1):
        run.scenario.begin_task(task)  # its classes count from now on, and nothing is learned
        rows.append(measure(run, learned, rows[-1]))
        np.testing.assert_array_equal(rows[-1], evaluate(run))
    assert rows[1] != rows[0]


MEASURED = {
    "evaluate=all": ["111", "111", "111", "111"],
    "evaluate=seen": ["000", "100", "110", "111"],
    "evaluate=last": ["000", "100", "010", "111"],
}


@pytest.mark.parametrize("choice", MEASURED)
def test_the_tasks_that_are_asked_for_are_measured(choice, inline, tmp_path):
    whole = inline(*small("single"), "evaluate=all")[1].splitlines()[-1]
    path = tmp_path / inline(*small("single"), choice)[1].splitlines()[-1]
    _, matrix = read_accuracy(path)
    known = ~np.isnan(matrix)
    assert ["".join(map(str, row)) for row in known.astype(int)] == MEASURED[choice]
    _, expected = read_accuracy(tmp_path / whole)
    np.testing.assert_array_equal(matrix[known], expected[known])
    values = json.loads((path / "metrics.json").read_text())
    assert values["acc"] == expected[-1].mean()
    assert values["la"] is not None
    assert values["bwt"] is not None
    assert (values["fwt"] is None) == (choice != "evaluate=all")
    table = list(csv.reader((path / "accuracy.csv").open()))
    assert all((cell == "") == (not k) for row, ks in zip(table[1:], known, strict=True)
               for cell, k in zip(row, ks, strict=True))  # fmt: skip


def test_a_sample_of_tasks_stays_the_same_and_leaves_a_run_of_its_own(inline, tmp_path):
    words = [*small("single"), "dataset.tasks=6"]
    whole = inline(*words)[1].splitlines()[-1]
    code, out, _ = inline(*words, "evaluate_tasks=2", "quiet=false")
    assert code == 0
    path = out.splitlines()[-1]
    assert path != whole
    known = ~np.isnan(read_accuracy(tmp_path / path)[1])
    np.fill_diagonal(known[1:], False)
    assert known[:-1].any(axis=0).sum() == 2
    assert known[-1, :-1].all()
    fwt = next(line for line in out.splitlines() if line.startswith("FWT"))
    assert fwt.split()[1] == "–"
    assert "–" in (tmp_path / path / "summary.md").read_text().splitlines()[-1 - 6]


def test_a_run_that_is_cut_knows_what_was_not_measured(tmp_path):
    cfg = config_of([*small("single"), "evaluate=last"])
    execute(cfg, tmp_path / "whole", show_bar=False)
    interrupted(cfg, tmp_path / "cut", 9)
    execute(cfg, tmp_path / "cut", show_bar=False)
    assert result(tmp_path / "cut") == result(tmp_path / "whole")


def test_a_notebook_shows_the_cells_that_there_are(inline):
    path = inline(*small("single"), "evaluate=last")[1].splitlines()[-1]
    result = Result(path)
    assert np.isnan(result.matrix).sum() == 7
    assert result._repr_html_().count('<td title="not measured"></td>') == 7
    assert cl_bench.load("outputs")["evaluate"].tolist() == ["last"]


def unmeasured(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("choice", ["evaluate=seen", "evaluate=last", "evaluate_tasks=1"])
def test_reports_take_what_is_there(choice, inline, recwarn):
    for seed in (0, 1):
        assert inline(*small("single"), choice, "outputs=runs", f"seed={seed}")[0] == 0
    assert inline(*small("single"), "outputs=runs")[0] == 0
    key, _, value = choice.partition("=")
    for kind in ("terminal", "markdown", "csv", "latex"):
        code, out, err = inline("report", "runs", "--format", kind)
        assert code == 0, err
        assert value in out  # they are another row than the run that was tested whole
    rows = json.loads(inline("report", "runs", "--format", "json")[1], parse_constant=unmeasured)
    found = {str(row.get(key)): row.get("fwt_mean") for row in rows["rows"]}
    assert found.pop(value) is None
    assert [*found.values()] != [None]
    for words in (["--out", "page.html", "--figures", "pictures"], ["--publish", "shared"]):
        code, _, err = inline("report", "runs", *words)
        assert code == 0, err
    for values in re.findall(r'data-values="([^"]+)"', Path("page.html").read_text()):
        json.loads(values, parse_constant=unmeasured)
    again = json.loads(inline("report", "--merge", "shared", "--format", "json")[1])
    assert again["rows"] == rows["rows"]
    assert not [warning for warning in recwarn if "cl_bench" in warning.filename]


def test_the_last_row_stays_whole_when_the_last_task_is_forgotten(inline, tmp_path):
    words = [*small("apd"), "evaluate=last"]
    path = inline(*words)[1].splitlines()[-1]
    _, before = read_accuracy(tmp_path / path)
    code, out, err = inline("forget", path, "task=3")
    assert code == 0, err
    _, after = read_accuracy(tmp_path / path)
    np.testing.assert_array_equal(after[-1], before[-1, :2])
    assert next(line.split()[1] for line in out.splitlines() if line.startswith("FWT")) == "–"


def test_a_number_of_tasks_below_one_is_refused(inline):
    code, _, err = inline(*small("single"), "evaluate_tasks=0")
    assert code == 2
    assert "evaluate_tasks" in err
