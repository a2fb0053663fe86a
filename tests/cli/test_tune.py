"""``cl-bench tune``: chosen on one stream, reported on another; runs of a fraction of a second."""

import json
import math
import re
import statistics

import pytest
from conftest import DIGITS

from cl_bench.run import execute as executing

TINY = (
    DIGITS, "dataset.tasks=3", "dataset.samples_per_task=100", "model.hidden=[12]",
    "device.threads=1", "plots=false",
)  # fmt: skip
ELSEWHERE = ("--report", "digits_rotations")
TUNE = ("tune", "method=single", *TINY, *ELSEWHERE, "--seeds", "2", "--report-seeds", "1")
LR = "method.lr=0.001,0.1"
SEEDED = "dataset.class_order=seeded"


def record(home, outputs="outputs"):
    (path,) = (home / outputs).glob("tuned-*.json")
    return json.loads(path.read_text())


def accuracies(home, names):
    found = [json.loads((home / name / "metrics.json").read_text())["acc"] for name in names]
    return statistics.fmean(found)


def test_the_best_on_one_stream_is_reported_on_another(inline, tmp_path):
    code, out, err = inline(*TUNE, "method.lr=0.001,0.1,0.3", "--report-seeds", "2")
    assert code == 0, err
    told = record(tmp_path)
    # the choice is that of the runs on disk
    means = {
        setting["words"][0]: accuracies(tmp_path / "outputs" / ".tuning", setting["runs"])
        for setting in told["settings"]
    }
    best = max(means, key=means.get)
    assert best != "method.lr=0.001"
    assert told["chosen"] == {"method.lr": best.partition("=")[2]}
    assert {s["words"][0]: s["mean"] for s in told["settings"]} == pytest.approx(means)
    assert (told["runs"], told["failed"], told["seeds"]) == (6, 0, [1000, 1001])
    assert told["values"] == {"method.lr": ["0.001", "0.1", "0.3"]}
    assert re.search(rf"^{best.partition('=')[2]} .* chosen", out, re.M)
    # fresh seeds of the other stream, with what was chosen
    reported = sorted(path.name for path in (tmp_path / "outputs").glob("single-*"))
    assert sorted(told["reported"]) == reported
    assert [re.search("digits_rotations.*seed([0-9]+)", name)[1] for name in reported] == ["0", "1"]
    for name in reported:
        assert (
            best.replace("method.lr=", "lr: ")
            in (tmp_path / "outputs" / name / "config.yaml").read_text()
        )
    # any report says so, and has only what is reported
    sentence = (
        f"tuned on digits_permutations by ACC over 2 seeds, 6 runs: {best} of 0.001, 0.1, 0.3"
    )
    assert sentence in " ".join(out.split())
    code, out, err = inline("report", "--format", "json")
    found = json.loads(out)
    assert [row["n"] for row in found["rows"]] == [2]
    assert any(sentence in note for note in found["notes"])
    assert inline("report", "outputs/.tuning", "--format", "csv")[1].count("single") == 3


def test_again_nothing_is_run(inline, tmp_path, monkeypatch):
    assert inline(*TUNE, LR, "-q")[0] == 0
    before = record(tmp_path)
    monkeypatch.setattr(executing, "execute", None)
    code, out, err = inline(*TUNE, LR, "-q")
    assert code == 0, err
    assert [line.partition("-seed")[2][0] for line in out.splitlines()] == ["0"]
    assert record(tmp_path) == before


def test_interrupted_it_goes_on_with_what_is_missing(inline, tmp_path, monkeypatch):
    done = []
    true = executing.execute

    def once_more(cfg, directory, *more):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(directory.name)
        return true(cfg, directory, *more)

    monkeypatch.setattr(executing, "execute", once_more)
    code, _, err = inline(*TUNE, LR)
    assert code == 130
    assert "the same command goes on" in err
    assert not list((tmp_path / "outputs").glob("tuned-*"))
    first, done = done, []
    monkeypatch.setattr(
        executing, "execute", lambda cfg, d, *m: done.append(d.name) or true(cfg, d, *m)
    )
    code, _, err = inline(*TUNE, LR)
    assert code == 0, err
    assert len(done) == 1 + 1
    assert not {*first} & {*done}


def test_what_diverges_is_worse_than_all_and_is_told(inline, tmp_path):
    code, out, err = inline(*TUNE, "method.lr=0.001,1e30")
    assert code == 0, err
    assert "2 of 2 failed" in out
    assert "2 of 4 runs failed" in err
    told = record(tmp_path)
    assert told["chosen"] == {"method.lr": "0.001"}
    assert told["failed"] == 2
    assert (
        "diverged"
        in (
            tmp_path / "outputs" / ".tuning" / told["settings"][1]["runs"][0] / "status.json"
        ).read_text()
    )
    assert "4 runs (2 failed)" in " ".join(out.split())
    code, out, err = inline(*TUNE, "method.lr=1e30,1e31", "outputs=none")
    assert code == 1
    assert "no setting finished with all of 2 seeds, so nothing is chosen" in err
    assert not list((tmp_path / "none").glob("single-*"))


def test_the_first_tasks_are_kept_for_tuning(inline, tmp_path):
    words = [word for word in TUNE if word not in ELSEWHERE]
    code, out, err = inline(*words, "method.lr=0.03,0.1", "dataset.tune_tasks=1")
    assert code == 0, err
    assert "the first task of digits_permutations" in " ".join(out.split())
    heads = {
        place: {
            path.read_text().splitlines()[0]
            for path in (tmp_path / place).glob("single-*/accuracy.csv")
        }
        for place in ("outputs", "outputs/.tuning")
    }
    ((reported,), (tuned,)) = heads.values()
    assert not {*reported.split(",")} & {*tuned.split(",")}
    assert len(reported.split(",")) == 2
    assert len(tuned.split(",")) == 1


@pytest.mark.slow
def test_each_method_is_tuned_by_itself(inline, tmp_path):
    words = [word for word in TUNE if word != "method=single"]
    code, out, err = inline(*words, "method=single,mas", "method.lr=0.01,0.1", "-q")
    assert code == 0, err
    told = {
        path.name.split("-")[1]: json.loads(path.read_text())
        for path in (tmp_path / "outputs").glob("tuned-*")
    }
    assert sorted(told) == ["mas", "single"]
    assert [entry["runs"] for entry in told.values()] == [4, 4]
    assert len(out.splitlines()) == 2


def test_how_much_it_would_be(inline, tmp_path):
    code, out, err = inline(*TUNE, LR, "model.hidden=[12],[9]", "--dry-run")
    assert code == 0, err
    assert "settings 4 x seeds 2 = runs 8" in out
    assert "8 runs, 0 finished, 8 to do" in out
    assert "reporting what is chosen: runs 1" in out
    assert not (tmp_path / "outputs").exists()


def test_other_settings_where_it_is_reported_are_told(inline):
    code, out, err = inline(
        "tune", "method=er", *TINY, *ELSEWHERE, "method.lr=0.01,0.1", "--dry-run"
    )
    assert code == 0, err
    assert "dataset.batch_size=10 (there 1)" in out
    assert "digits_rotations has the samples of digits_permutations" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((DIGITS, *ELSEWHERE), "nothing to choose from"),
        ((DIGITS, LR), "would be tuned on and reported, which overstates"),
        ((DIGITS, LR, "--report", "digits_permutations"), "which overstates"),
        ((DIGITS, LR, "--report", "dataset.seed=7"), "which overstates"),
        ((DIGITS, LR, *ELSEWHERE, "dataset.tune_tasks=3"), "leave one of the two out"),
        ((DIGITS, LR, "dataset.tune_tasks=3", "--report", "dataset.tune_tasks=1"), "leave it out"),
        ((DIGITS, LR, *ELSEWHERE, "seed=3"), "--seeds N"),
        ((DIGITS, LR, *ELSEWHERE, "--seeds", "0"), "--seeds 0: should be from 1"),
        ((DIGITS, LR, *ELSEWHERE, "--report-seeds", "1001"), "should be from 1 to 1000"),
        ((DIGITS, LR, *ELSEWHERE, "--metric", "ac"), "did you mean 'acc'?"),
        ((DIGITS, LR, *ELSEWHERE, "--metric", "seconds_total"), "says which run is better"),
        ((DIGITS, LR, *ELSEWHERE, "--metric", "aaa"), "set evaluate_every"),
        ((DIGITS, LR, *ELSEWHERE, "--trials", "3"), "--sampler optuna"),
        ((DIGITS, *ELSEWHERE, "method.lr=interval(0.1,0.3)"), "--sampler optuna"),
        ((DIGITS, *ELSEWHERE, "method.lr=range(1,1)"), "no runs"),
        ((DIGITS, *ELSEWHERE, "method.lr=0.1,-1"), "method.lr=-1: should be greater than 0"),
        ((DIGITS, *ELSEWHERE, "method.lt=0.1,1"), "method.lt: no such option"),
        ((DIGITS, LR, "--report", "digits_rotation"), "did you mean 'digits_rotations'?"),
        ((DIGITS, LR, *ELSEWHERE, "--report", "dataset.phase=tune"), "tune sets it"),
        ((DIGITS, LR, *ELSEWHERE, "--report", "method.lr=1"), "as it was tuned"),
        ((DIGITS, LR, *ELSEWHERE, "dataset.tasks=2,3"), "one stream to tune on"),
        ((DIGITS, LR, *ELSEWHERE, "device=cpu,auto"), "is not tuned"),
        ((DIGITS, LR, *ELSEWHERE, "--cfg", "job"), "see cl-bench tune -h"),
        (("dataset=digits_split", "dataset.tune_tasks=2", SEEDED, LR), "dataset.seed=0"),
    ],
)  # fmt: skip
def test_a_wrong_command_is_one_sentence_before_anything_runs(inline, tmp_path, words, told):
    code, out, err = inline("tune", "method=single", *words)
    assert code == 2
    assert told in err
    assert len(err.splitlines()) == 1
    assert not out
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_side_by_side(inline, tmp_path, monkeypatch):
    code, _, err = inline(*TUNE, LR, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert code == 0, err
    told = record(tmp_path)
    for setting in told["settings"]:
        assert setting["mean"] == accuracies(tmp_path / "outputs" / ".tuning", setting["runs"])
    monkeypatch.setattr(executing, "execute", None)
    assert inline(*TUNE, LR)[0] == 0  # how it was carried out makes no other question of it
    assert record(tmp_path) == told


def test_optuna_proposes_and_goes_on(inline, tmp_path, monkeypatch):
    space = ("method.lr=tag(log,interval(0.001,1))", "dataset.batch_size=10,20")
    words = (*TUNE, *space, "--sampler", "optuna", "--trials", "3", "--seeds", "1")
    code, _, err = inline(*words)
    assert code == 0, err
    told = record(tmp_path)
    assert len(told["settings"]) == told["runs"] == 3
    for setting in told["settings"]:
        rate, batch = (word.partition("=")[2] for word in setting["words"])
        assert 0.001 <= float(rate) <= 1
        assert batch in ("10", "20")
        assert rate == f"{float(rate):.3g}"
    best = max(told["settings"], key=lambda setting: setting["mean"])
    assert told["chosen"] == dict(word.split("=") for word in best["words"])
    assert math.isclose(best["mean"], accuracies(tmp_path / "outputs" / ".tuning", best["runs"]))
    monkeypatch.setattr(executing, "execute", None)  # the same proposals: nothing is run
    code, _, err = inline(*words)
    assert code == 0, err
    assert record(tmp_path) == told


def test_without_optuna_its_extra_is_named(inline, monkeypatch):
    import importlib.util

    true = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "optuna" else true(name, *a)
    )
    code, _, err = inline(*TUNE, LR, "--sampler", "optuna")
    assert code == 2
    assert "pip install 'cl-bench[optuna]'" in err
