import numpy as np
import pytest
from conftest import DIGITS

from cl_bench.datasets import load
from cl_bench.results.record import read_results

SHORT = (DIGITS, "dataset.tasks=3", "dataset.samples_per_task=100", "plots=false", "-q")


@pytest.fixture
def finished(inline, tmp_path):
    """A finished run of GEM and the test set as a file."""
    code, out, error = inline("method=gem", "memory.size=60", *SHORT)
    assert code == 0, error
    digits = load("digits")
    np.savez(tmp_path / "test.npz", x=digits.test_images, y=digits.test_labels)
    return tmp_path / out.splitlines()[-1]


def test_a_finished_model_predicts_as_it_did(inline, finished, tmp_path):
    _, matrix, _ = read_results(finished)
    labels = np.load(tmp_path / "test.npz")["y"]
    for task in (1, 2, 3):
        code, out, error = inline(
            "predict", str(finished), "test.npz", "--task", str(task), "--out", f"{task}.npz"
        )
        assert code == 0, error
        found = np.load(tmp_path / f"{task}.npz")["y"]
        assert found.dtype == np.int64
        assert (found == labels).mean() == pytest.approx(matrix[-1, task - 1], abs=1e-12)
        assert f"accuracy {matrix[-1, task - 1]:.4f}" in out
    assert inline("predict", str(finished), "test.npz")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "predictions.npz")["y"], found)


def test_floats_are_rounded_to_the_levels_of_the_dataset(inline, finished, tmp_path):
    x = np.load(tmp_path / "test.npz")["x"]
    np.savez(tmp_path / "floats.npz", x=x / 255)
    assert inline("predict", str(finished), "test.npz", "--out", "a.npz")[0] == 0
    assert inline("predict", str(finished), "floats.npz", "--out", "b.npz")[0] == 0
    np.testing.assert_array_equal(*(np.load(tmp_path / f"{n}.npz")["y"] for n in "ab"))


def test_a_model_from_a_gpu_predicts_without_one(inline, finished, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = finished / "config.yaml"
    config.write_text(config.read_text().replace("name: auto", "name: cuda"))
    code, out, error = inline("predict", str(finished), "test.npz")
    assert code == 0, error
    assert "accuracy" in out


class Explosive:
    """Pickled, it would write a file when it is read."""

    def __reduce__(self):
        return (open, ("executed", "w"))


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"z": np.zeros(3)}, "has no array x"),
        ({"x": np.zeros((3, 5), np.uint8)}, "the run needs (n, 8, 8)"),
        ({"x": np.full((3, 8, 8), 2.0)}, "outside of [0, 1]"),
        ({"x": np.full((3, 8, 8), np.nan)}, "not finite"),
        ({"x": np.zeros((3, 8, 8), np.int64)}, "must be uint8 or floats"),
        ({"x": np.zeros((0, 8, 8), np.uint8)}, "must be inputs"),
        (
            {"x": np.zeros((3, 8, 8), np.uint8), "y": np.zeros(2, int)},
            "one label for each",
        ),
        ({"x": np.array([Explosive()], dtype=object)}, "plain arrays"),
    ],
)
def test_a_wrong_input_is_one_sentence(inline, finished, tmp_path, arrays, sentence):
    np.savez(tmp_path / "in.npz", **arrays)
    code, _, error = inline("predict", str(finished), "in.npz")
    assert code == 2
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "predictions.npz").exists()


@pytest.mark.parametrize("damage", ["empty", "overwritten"])
def test_a_damaged_file_is_one_sentence(inline, finished, tmp_path, damage):
    np.savez_compressed(tmp_path / "in.npz", x=np.zeros((3, 8, 8), np.uint8))
    content = bytearray((tmp_path / "in.npz").read_bytes())
    content[60:64] = b"\xff" * 4  # in the compressed data
    (tmp_path / "in.npz").write_bytes(b"" if damage == "empty" else content)
    code, _, error = inline("predict", str(finished), "in.npz")
    assert code == 2
    assert "in.npz: cannot be read" in error
    assert error.count("\n") == 1


def test_a_place_that_is_not_there_is_named_as_it_was_given(inline, finished):
    code, _, error = inline("predict", str(finished), "test.npz", "--out", "nowhere/x.npz")
    assert code == 1
    told = "nowhere/x.npz: No such file or directory; make the folder, or name one that is there"
    assert error == f"cl-bench: {told}\n"


def test_a_task_that_is_not_there(inline, finished):
    code, _, error = inline("predict", str(finished), "test.npz", "--task", "4")
    assert code == 2
    assert "the tasks 1 to 3" in error


def test_a_run_that_cannot_predict_says_why(inline, finished, tmp_path):
    model = finished / "model.safetensors"
    content = model.read_bytes()
    for damaged, sentence in (
        (content[:-9], "cannot be used"), (b"\x80\x04.", "cannot be used"), (None, "force=true"),
    ):  # fmt: skip
        model.write_bytes(damaged) if damaged else model.unlink()
        code, _, error = inline("predict", str(finished), "test.npz")
        assert code == 1
        assert sentence in error
        assert error.count("\n") == 1
    (finished / "status.json").write_text('{"state": "interrupted"}')
    assert "is not a finished run (interrupted)" in inline("predict", str(finished), "test.npz")[2]
