"""MAS, SI and APD through the command line, on real digits."""

import hashlib
import json

import numpy as np
import pytest

from cl_bench.datasets import load

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


FILE = ("method=mas", "dataset=digits_permutations", "dataset.tasks=2", "model.hidden=[8]",
        "dataset.samples_per_task=60", "method.importance_data=in.npz", *OPTIONS)  # fmt: skip


def test_importance_of_a_file_is_recorded_with_its_checksum(inline, tmp_path):
    x = load("digits").test_images
    np.savez(tmp_path / "in.npz", x=x[:50])
    code, out, error = inline(*FILE)
    assert code == 0, error
    directory = tmp_path / out.splitlines()[-1]
    recorded = json.loads((directory / "environment.json").read_text())["files"]
    sha256 = hashlib.sha256((tmp_path / "in.npz").read_bytes()).hexdigest()
    assert recorded == {"method.importance_data": sha256}
    np.savez(tmp_path / "in.npz", x=x[50:])
    code, _, error = inline(*FILE)
    assert code == 1
    assert "results of another file method.importance_data=in.npz than is there now" in error
    (tmp_path / "in.npz").unlink()
    assert "of a file that cannot be read any more" in inline(*FILE)[2]
    # a finished model learns no more
    np.savez(tmp_path / "new.npz", x=x)
    code, _, error = inline("predict", str(directory), "new.npz")
    assert code == 0, error


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (None, "method.importance_data=in.npz: no such file"),
        (
            {"inputs": np.zeros((3, 8, 8), np.uint8)},
            "method.importance_data=in.npz: has no array x",
        ),
        ({"x": np.zeros((3, 9, 8), np.uint8)}, "shape (3, 9, 8), the run needs (n, 8, 8)"),
        ({"x": np.zeros((0, 8, 8), np.uint8)}, "it must be inputs (n, ...)"),
        ({"x": np.full((3, 8, 8), 7.0)}, "outside of [0, 1]"),
    ],
)
def test_a_file_that_has_no_such_inputs_is_one_sentence(inline, tmp_path, arrays, sentence):
    if arrays is not None:
        np.savez(tmp_path / "in.npz", **arrays)
    code, _, error = inline(*FILE)
    assert code == 2
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_importance_data_is_a_set_or_a_file(inline):
    code, _, error = inline(*FILE, "method.importance_data=all")
    assert code == 2
    assert "must be train, test, both or a file of inputs, FILE.npz" in error
