"""The whole way: run, table, records, pages, check; with a paper whose runs take a second."""

import json
import shutil

import pytest

from cl_bench.config import origins

pytestmark = pytest.mark.xdist_group("reproduce")  # its fixture is made once

RECIPE = "tiny2020/digits_single"
YAML = """
# @package _global_
defaults:
  - override /dataset: digits_permutations
  - override /method: single
  - _self_
dataset: {tasks: 3, samples_per_task: 60}
method: {lr: 0.1}
recipe:
  table: digits
  row: single
  published: {acc: 0.602}
  spread: {acc: 0.1}
  source: Table 7
  trust: code
  fast: true
  minutes: 0.1
"""


@pytest.fixture(scope="module")
def done_before(tmp_path_factory):
    """What is made once for all tests: a folder, and what was printed."""
    return tmp_path_factory.mktemp("done"), []


@pytest.fixture
def finished(tmp_path, inline, own, monkeypatch, done_before):
    """A folder with two seeds of a recipe run, the records of them, and what was printed."""
    monkeypatch.setenv(origins.VARIABLE, "mylab")
    folder, printed = done_before
    if printed:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        return tmp_path, *printed
    own.write(f"conf/paper/{RECIPE}.yaml", YAML)
    code, out, err = inline(
        *("reproduce", RECIPE, "--seeds", "2", "--write", "results", "device=cpu", "plots=false")
    )
    assert code == 0, err
    shutil.copytree(tmp_path, folder, dirs_exist_ok=True)
    printed += [out, err]
    return tmp_path, out, err


def test_published_and_ours_side_by_side(finished):
    home, out, err = finished
    assert "2 runs, 0 done, 2 to do" in err
    row = next(line for line in out.splitlines() if line.startswith("single"))
    assert "0.602" in row
    assert "(2)" in row
    assert "Table 7" in out
    page = (home / "results" / "tiny2020.md").read_text()
    assert "| single | ACC | 0.602 | " in page
    overview = (home / "results" / "README.md").read_text()
    assert "| digits | single | ACC | 0.602 | " in overview
    assert "not run: 15 min a run" in overview
    assert "| not run | " in overview
    assert (home / "results" / "variants.md").is_file()


def test_the_record_has_what_the_runs_gave(finished):
    home, _, _ = finished
    record = json.loads((home / "results" / "records" / f"{RECIPE}.json").read_text())
    runs = record["runs"]
    assert [run["seed"] for run in runs] == [0, 1]
    for run in runs:
        metrics = json.loads((home / "outputs" / run["run"] / "metrics.json").read_text())
        assert run["metrics"] == metrics
        assert sum(run["final"]) / 3 == pytest.approx(metrics["acc"])
        assert run["accuracy"][-1] == run["final"]
    assert len(record["environments"]) == 1
    assert "final" in runs[0]
    assert not list((home / "results").rglob("*.safetensors"))


def test_the_records_are_published_as_runs_that_a_report_takes_in(finished, inline):
    home, _, _ = finished
    published = [json.loads(x) for x in (home / "results" / "runs.jsonl").read_text().splitlines()]
    assert [run["seed"] for run in published] == [0, 1]
    for run in published:
        metrics = json.loads((home / "outputs" / run["run"] / "metrics.json").read_text())
        assert run["metrics"]["acc"] == metrics["acc"]
    code, out, err = inline("report", "--merge", "results", "--format", "json")
    assert code == 0, err
    alone = json.loads(out)["rows"]
    code, out, err = inline("report", "outputs", "--merge", "results", "--format", "json")
    assert code == 0, err
    assert json.loads(out)["rows"] == alone  # the same runs count once
    assert alone[0]["n"] == 2


def test_again_nothing_is_run_and_no_record_is_lost(finished, tmp_path, inline):
    for directory in (tmp_path / "outputs").glob("*-seed0-*"):
        shutil.rmtree(directory)
    words = [RECIPE, "--seeds", "2", "--table", "--write", "results", "device=cpu"]
    code, out, err = inline("reproduce", *words)
    assert code == 0
    assert "to do" not in err
    assert "(1)" in out  # what is on disk now
    record = json.loads((tmp_path / "results" / "records" / f"{RECIPE}.json").read_text())
    assert [run["seed"] for run in record["runs"]] == [0, 1]
    assert "(2)" in (tmp_path / "results" / "tiny2020.md").read_text()


def test_a_record_of_another_protocol_is_dropped(finished, tmp_path, inline):
    path = tmp_path / "results" / "records" / f"{RECIPE}.json"
    record = json.loads(path.read_text())
    path.write_text(path.read_text().replace(record["runs"][1]["run"], "of-another-protocol"))
    words = [RECIPE, "--seeds", "1", "--table", "--write", "results", "device=cpu"]
    assert inline("reproduce", *words)[0] == 0
    assert [run["seed"] for run in json.loads(path.read_text())["runs"]] == [0]
    path.write_text(path.read_text().replace(record["runs"][0]["run"], "of-another-protocol"))
    shutil.rmtree(tmp_path / "outputs")
    assert inline("reproduce", *words)[0] == 0
    assert not path.exists()


def test_check_passes_for_the_same_numbers_and_fails_for_others(finished, tmp_path, inline):
    words = ("reproduce", RECIPE, "--check", "results", "device=cpu")
    code, out, _ = inline(*words)
    assert code == 0
    assert "the accuracy matrix is identical" in out
    path = tmp_path / "results" / "records" / f"{RECIPE}.json"
    text = path.read_text()
    digest = json.loads(text)["runs"][0]["accuracy_sha256"]
    path.write_text(text.replace(digest, "0" * 64))
    code, out, _ = inline(*words)
    assert code == 1
    assert "must be identical in the same environment" in out


def test_a_damaged_record_is_named(finished, tmp_path, inline):
    path = tmp_path / "results" / "records" / f"{RECIPE}.json"
    path.write_text(path.read_text()[:100])
    code, _, err = inline("reproduce", RECIPE, "--check", "results")
    assert code == 1
    assert f"{RECIPE}.json cannot be read" in err
    assert err[err.index("\n") :] == "\n"


def test_mistakes_get_one_line(inline):
    for words, message in (
        (("reproduce", "gem201"), "did you mean 'gem2017'"),
        (("reproduce", "gem2017", "method.lr=1"), "protocol is kept"),
        (("reproduce", "gem2017", "--seeds", "0"), "have 1 to"),
        (
            ("+paper=gem2017/mnist_permutation_gem",),
            "did you mean 'gem2017/mnist_permutations_gem'",
        ),
        (("paper=gem2017/mnist_permutations_gem",), "+paper="),
    ):
        code, out, err = inline(*words)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert message in err


def test_a_run_that_diverged_is_kept_as_such_and_not_tried_again(finished, inline):
    home, _, _ = finished
    directory = next((home / "outputs").glob("*-seed1-*"))
    path = directory / "status.json"
    path.write_text(path.read_text().replace('"finished"', '"diverged"'))
    code, out, err = inline("reproduce", RECIPE, "--seeds", "2", "--write", "results", "device=cpu")
    assert code == 0
    assert "2 runs, 2 done, 0 to do" in err
    assert "(1, 1 diverged)" in out
    record = json.loads((home / "results" / "records" / f"{RECIPE}.json").read_text())
    assert [run["diverged"] for run in record["runs"]] == [False, True]
    assert "(1, 1 diverged)" in (home / "results" / "tiny2020.md").read_text()


def test_force_runs_anew_what_is_done(finished, inline):
    home, _, _ = finished
    paths = sorted((home / "outputs").glob("*/status.json"))
    for path, state in zip(paths, ("finished", "diverged"), strict=True):
        path.write_text(path.read_text().replace('"finished"', f'"{state}"'))
        (path.parent / "accuracy.csv").unlink()
    words = [RECIPE, "--seeds", "2", "device=cpu", "plots=false", "force=true"]
    code, out, err = inline("reproduce", *words)
    assert code == 0, err
    assert "2 runs, 0 done, 2 to do" in err
    assert "(2)" in out
    assert all((path.parent / "accuracy.csv").is_file() for path in paths)


FORGOTTEN = {
    "of": 4, "tasks": [{"task": 2, "name": "two", "time": "then"}], "complete": True
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("environment.json", None, "is damaged (environment.json is missing)"),
        ("environment.json", '{"dataset": 1}', "environment.json: does not name the dataset"),
        ("accuracy.csv", "a\n", "is damaged (accuracy.csv: shape"),
        ("metrics.json", '{"acc": 2}', "is damaged (metrics.json: acc is not the mean"),
        ("forgotten.json", "{}", "is damaged (forgotten.json: does not say"),
        ("forgotten.json", json.dumps(FORGOTTEN), "has forgotten task 2 (two) since"),
        ("forgotten.json", json.dumps({**FORGOTTEN, "complete": False}), "has forgotten task 2"),
    ],
)
def test_a_damaged_or_forgetful_run_is_neither_recorded_nor_overwritten(
    finished, inline, name, content, message
):
    home, _, _ = finished
    directory = next((home / "outputs").glob("*-seed1-*"))
    path = directory / name
    path.unlink(missing_ok=True) if content is None else path.write_text(content)
    before = {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}
    words = [RECIPE, "--seeds", "2", "--write", "results", "device=cpu", "plots=false"]
    code, out, err = inline("reproduce", *words)
    assert (code, out) == (1, "")
    told = err.splitlines()[-1]
    assert message in told
    assert told.endswith(f"remove outputs/{directory.name} and run it again")
    assert "Traceback" not in err
    assert {p: p.read_bytes() for p in home.rglob("*") if p.is_file()} == before


def test_the_list_says_how_long_everything_takes(cli):
    done = cli("reproduce", "--list", "gem2017")
    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if "cifar100_gem_1280" in line]
    assert line.split()[-5:] == ["5", "2.8", "h", "14.2", "h"]  # 170 minutes, five times


def test_nothing_is_left_out_for_the_time_it_takes(finished, inline):
    home, _, _ = finished
    path = home / "mylab" / "conf" / "paper" / f"{RECIPE}.yaml"
    path.write_text(path.read_text().replace("minutes: 0.1", "minutes: 600"))
    code, _, err = inline("reproduce", RECIPE, "--seeds", "3", "device=cpu", "plots=false")
    assert code == 0
    assert "3 runs, 2 done, 1 to do: about 10.0 h" in err
    assert len(list((home / "outputs").glob("*-seed2-*/metrics.json"))) == 1


def test_a_single_run_shows_what_the_paper_reports(finished, tmp_path, inline):
    code, out, _ = inline(f"+paper={RECIPE}", "device=cpu")
    assert code == 0
    assert "published: ACC 0.6020 (here 0." in out


def test_a_bare_command_lists_and_asks(inline, tmp_path):
    code, out, error = inline("reproduce")
    assert code == 2
    assert "gem2017/mnist_permutations_gem" in out
    assert "name a paper or a recipe to run" in error
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("seeds", ["0", "-1", "99999999"])
def test_seeds_that_no_recipe_has(inline, seeds):
    code, _, error = inline("reproduce", "gem2017", "--seeds", seeds)
    assert code == 2
    assert f"--seeds {seeds}: the recipes have 1 to 5 seeds" in error
