"""A finished run is compared with what the command asks for before its results are shown."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml
from small_runs import small

from cl_bench.run import checkpoint, environment

OWN = (
    "method=single", "dataset=npz", "dataset.path=own.npz", "dataset.tasks=2", "model.hidden=[4]",
    "plots=false", "device.threads=1",
)  # fmt: skip


def save(path, seed):
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 256, (60, 3, 3), dtype=np.uint8)
    labels = np.arange(60) % 4
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)


@pytest.fixture
def own(inline, tmp_path):
    """The directory of a finished run on the user's own file."""
    save(tmp_path / "own.npz", 0)
    code, out, error = inline(*OWN)
    assert code == 0, error
    return tmp_path / out.splitlines()[-1]


def accuracy(directory):
    return (directory / "accuracy.csv").read_bytes()


def test_the_same_command_shows_the_same_run(inline, own):
    code, out, error = inline(*OWN)
    assert code == 0
    assert "is finished already; force=true runs it again" in error
    assert "other" not in error
    assert "ACC" in out


def test_other_data_under_the_same_path_is_refused(inline, own, tmp_path):
    before = accuracy(own)
    save(tmp_path / "own.npz", 1)
    code, out, error = inline(*OWN)
    assert code == 1
    assert error.startswith("cl-bench: outputs/single-npz-mlp-seed0-")
    assert "has results of other data than is there now; force=true runs it again" in error
    assert "stale=keep shows the old results" in error
    assert error.count("\n") == 1
    assert "ACC" not in out
    code, out, error = inline(*OWN, "stale=keep")
    assert code == 0
    assert "other data than is there now; its results are shown all the same" in error
    assert "ACC" in out
    assert accuracy(own) == before
    code, out, error = inline(*OWN, "force=true")
    assert code == 0, error
    assert accuracy(own) != before
    assert inline(*OWN)[0] == 0


def test_a_file_written_again_with_the_same_content_is_the_same_data(inline, own, tmp_path):
    content = dict(np.load(tmp_path / "own.npz"))
    np.savez_compressed(tmp_path / "own.npz", **content)
    assert inline(*OWN)[0] == 0


def test_data_that_is_gone_is_refused(inline, own, tmp_path):
    (tmp_path / "own.npz").unlink()
    code, _, error = inline(*OWN)
    assert code == 1
    assert "cannot be read any more (dataset.path=own.npz: no such file)" in error
    code, out, _ = inline(*OWN, "stale=keep")
    assert code == 0
    assert "ACC" in out


def test_results_of_another_configuration_are_refused(inline, tmp_path):
    words = small("single")
    here = tmp_path / inline(*words)[1].splitlines()[-1]
    there = tmp_path / inline(*words, "seed=5")[1].splitlines()[-1]
    shutil.rmtree(here)
    shutil.copytree(there, here)
    code, _, error = inline(*words)
    assert code == 1
    assert "holds the results of another configuration (dataset.seed=5, seed=5)" in error
    assert inline(*words, "stale=keep")[0] == 0
    (here / "config.yaml").unlink()
    code, _, error = inline(*words)
    assert code == 1
    assert "does not say what its results are of (config.yaml is missing)" in error


def test_words_of_a_crafted_configuration_do_not_steer_a_terminal(inline, tmp_path):
    words = small("single")
    here = tmp_path / inline(*words)[1].splitlines()[-1]
    config = yaml.safe_load((here / "config.yaml").read_text())
    config["method"]["lr"] = "\x1b[2J"
    (here / "config.yaml").write_text(yaml.safe_dump(config))
    code, _, error = inline(*words)
    assert code == 1
    assert "\x1b" not in error


def test_results_of_other_code_are_shown_with_a_line_that_says_so(inline, own, monkeypatch):
    monkeypatch.setattr(environment, "code_sha256", lambda: "0" * 64)
    code, out, error = inline(*OWN)
    assert code == 0
    assert "has results of other code (cl-bench " in error
    assert "force=true runs it with this code" in error
    assert "ACC" in out


def test_records_of_version_0_1_0_are_of_other_code(inline, own):
    facts = json.loads((own / "environment.json").read_text())
    del facts["code_sha256"]
    facts.update(cl_bench="0.1.0", code={"commit": "0123456789", "changed": False})
    (own / "environment.json").write_text(json.dumps(facts))
    code, out, error = inline(*OWN)
    assert code == 0
    assert "other code (cl-bench 0.1.0, commit 01234567)" in error
    assert "ACC" in out


def test_one_stale_run_of_a_sweep_does_not_hide_the_others(inline, own, tmp_path):
    save(tmp_path / "own.npz", 1)
    code, _, error = inline(*OWN, "-m", "seed=0,1")
    assert code == 1
    assert "1 of 2 runs failed" in error
    assert "has results of other data" in error
    assert len(list((tmp_path / "outputs").glob("*/metrics.json"))) == 2


def test_a_checkpoint_left_after_the_end_is_removed_by_the_next_command(inline, tmp_path):
    words = small("single")
    here = tmp_path / inline(*words, "checkpoint.keep=true")[1].splitlines()[-1]
    assert (here / checkpoint.FILE).exists()
    assert inline(*words, "checkpoint.keep=true")[0] == 0
    assert (here / checkpoint.FILE).exists()
    assert inline(*words)[0] == 0
    assert not (here / checkpoint.FILE).exists()
