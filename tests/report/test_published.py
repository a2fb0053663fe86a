import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import write_run

from cl_bench import metrics
from cl_bench.errors import RunError
from cl_bench.metrics.base import Measured
from cl_bench.report.collect import RecordedRun, read_run, take_metrics
from cl_bench.report.frame import frame
from cl_bench.report.published import FILE, PublishedRun, as_published, read_published
from cl_bench.report.table import build
from cl_bench.results.tuned import Tuned, write_tuned


def line(run):
    return as_published(read_run(run)).model_dump(mode="json")


def shared(place, *lines):
    place.mkdir(exist_ok=True)
    (place / FILE).write_text("".join(f"{json.dumps(x)}\n" for x in lines))
    return place


def test_a_run_is_the_same_after_it_was_shared(tmp_path):
    run = write_run(tmp_path / "a", "gem", 1, [0.5, 0.625, 0.7], memory=200, dataset__order="B")
    before, (after,) = read_run(run), read_published([shared(tmp_path / "b", line(run))])
    assert after.problem is None
    assert (after.key, after.metrics, after.code) == (before.key, before.metrics, before.code)
    assert (after.matrix == before.matrix).all()
    assert (after.names, after.numbers) == (before.names, before.numbers)


def test_how_settings_were_chosen_is_shared_and_told(tmp_path):
    tuned = Tuned(stream="other", metric="acc", seeds=[1000], runs=2,
                  values={"method.lr": ["0.1", "1"]}, chosen={"method.lr": "0.1"})  # fmt: skip
    run = write_run(tmp_path / "a", "gem", 1)
    write_tuned(run, tuned)
    (after,) = read_published([shared(tmp_path / "b", line(run))])
    assert after.tuned == tuned
    others = [write_run(tmp_path / "a", method, 2) for method in ("gem", "er")]
    note = "tuned on other by ACC over 1 seed, 2 runs: method.lr=0.1 of 0.1, 1"
    assert f"gem (1 of 2 runs): {note}" in build([tmp_path / "a"]).notes
    (others[1] / "tuned.json").write_text("{}")
    (gap,) = build([tmp_path / "a"]).left_out
    assert gap.reason.startswith("tuned.json: ")
    rows = frame([read_run(run), read_run(others[0])])
    assert rows["tuned"].tolist() == [note, None]
    assert "tuned" not in frame([read_run(others[0])])


def returning():
    """Tasks 1, 2, 1 of two; one cell was not measured."""
    matrix = np.array([[0.1, np.nan], [0.9, 0.1], [0.5, 0.9], [0.9, 0.7]])
    measured = Measured(matrix, learned=(0, 1, 0))
    run = RecordedRun(Path("gem-seed0"), "finished", None, None, matrix=matrix, learned=(0, 1, 0))
    run.names, run.numbers, run.seed = ("one", "two"), (1, 2), 0
    run.config = {part: {} for part in ("method", "dataset", "model", "memory", "device")}
    take_metrics(run, metrics.compute(measured))
    return run


def test_the_stays_of_tasks_that_return_are_shared(tmp_path):
    run = returning()
    (after,) = read_published([shared(tmp_path, as_published(run).model_dump(mode="json"))])
    assert (after.problem, after.learned, after.metrics) == (None, (0, 1, 0), run.metrics)
    np.testing.assert_array_equal(after.matrix, run.matrix)
    assert after.metrics["relearning"] == pytest.approx(0.4)
    assert "fwt" not in after.metrics


@pytest.mark.parametrize("learned", [[], [1, 1, 1], [1, 2], [1, 2, 3]])
def test_stays_that_do_not_fit_the_accuracies_are_refused(tmp_path, learned):
    told = as_published(returning()).model_dump(mode="json") | {"learned": learned}
    (after,) = read_published([shared(tmp_path, told)])
    assert "learned: does not say which of 2 tasks each of 4 rows is of" in after.problem


def test_a_run_that_diverged_is_told(tmp_path):
    run = write_run(tmp_path / "a", "gem", 1, state="diverged", message="not finite")
    (after,) = read_published([shared(tmp_path / "b", line(run))])
    assert (after.state, after.problem, after.seed) == ("diverged", "not finite", 1)


def test_no_folder_of_the_machine_is_shared(tmp_path):
    run = write_run(tmp_path / "a", "gem", 0, dataset__path="/home/somebody/secret/data.npz")
    told = line(run)
    assert told["config"]["dataset"]["path"] == "data.npz"
    assert "somebody" not in json.dumps(told)


DAMAGES = {
    "changed": (lambda x: x["accuracy"][-1].__setitem__(0, 0.99), "they were changed"),
    "no share": (lambda x: x["accuracy"][-1].__setitem__(0, 1.5), "no accuracies"),
    "shape": (lambda x: x["accuracy"].pop(), "shape"),
    "numbers": (lambda x: x["numbers"].pop(), "2 numbers for 3 tasks"),
    "path": (lambda x: x.update(run="../../evil"), "run: "),
    "hidden": (lambda x: x.update(run=".git"), "run: "),
    "more": (lambda x: x.update(more=1), "more: "),
    "state": (lambda x: x.update(state="running"), "state: "),
    "config": (lambda x: x["config"].pop("model"), "no section model"),
    "huge": (lambda x: x.update(seed=10**400), "too large"),
    "version": (lambda x: x.update(version=2), "version: "),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_line_that_is_not_what_it_should_be_is_named_and_left_out(tmp_path, name):
    damage, reason = DAMAGES[name]
    good, bad = (line(write_run(tmp_path / "a", "gem", seed)) for seed in range(2))
    damage(bad)
    place = shared(tmp_path / "b", good, bad)
    report = build([], merged=[place])
    assert report.frame["seeds"].tolist() == ["0"]
    (gap,) = report.left_out
    assert gap.state == "damaged"
    assert gap.reason.startswith("runs.jsonl, line 2: ")
    assert reason in gap.reason


@pytest.mark.parametrize("text", ["nonsense", "[]", "[" * 100_000, '{"run": "a"}', '{"seed": NaN}'])
def test_no_line_stops_a_report(tmp_path, text):
    place = shared(tmp_path / "b", line(write_run(tmp_path / "a", "gem", 0)))
    with (place / FILE).open("a") as file:
        file.write(text)
    (gap,) = build([], merged=[place]).left_out
    assert gap.reason.startswith("runs.jsonl, line 2: ")


def test_what_is_no_publication_is_told(tmp_path):
    with pytest.raises(RunError, match=r"--merge .*runs.jsonl is missing; name what --publish"):
        read_published([tmp_path])


def test_the_schema_explains_every_field():
    fields = PublishedRun.model_json_schema()["properties"]
    assert all(field.get("description") for field in fields.values())
