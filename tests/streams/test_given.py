"""The tasks that a dataset gives, with numbers as targets."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cl_bench.config.compose import config_of
from cl_bench.datasets import load
from cl_bench.errors import UsageError
from cl_bench.streams.given import Given

CPU = torch.device("cpu")


def given(data, **options) -> Given:
    settings = {**config_of(["dataset=diabetes_age"]).dataset, "seed": 0, "read": {}, **options}
    return Given(Given.Settings.model_validate(settings), data, 0, CPU)


@pytest.fixture
def numbers(tiny):
    """60 + 30 samples of two tasks, with two numbers each."""
    draw = np.random.default_rng(3)
    return replace(
        tiny, train_images=draw.normal(5, 2, (60, 4)).astype(np.float32),
        test_images=draw.normal(5, 2, (30, 4)).astype(np.float32),
        train_labels=draw.normal(size=(60, 2)).astype(np.float32),
        test_labels=draw.normal(size=(30, 2)).astype(np.float32), classes=2,
        train_tasks=np.arange(60) % 2, test_tasks=np.arange(30) % 2,
    )  # fmt: skip


def test_a_task_has_its_own_samples_with_all_numbers(numbers):
    stream = given(numbers, batch_size=30)
    assert [task.name for task in stream.tasks] == ["t=0", "t=1"]
    assert stream.classes == 2
    for task in stream.tasks:
        ((x, y),) = stream.train_batches(task)
        assert (x.shape, y.shape) == ((30, 4), (30, 2))
        wanted = numbers.train_labels[task.index :: 2]
        assert sorted(y[:, 0].tolist()) == sorted(wanted[:, 0].tolist())
    shown = torch.cat([x for task in stream.tasks for x, _ in stream.train_batches(task)])
    torch.testing.assert_close(shown.mean(0), torch.zeros(4), atol=1e-5, rtol=0)


def test_what_it_cannot_do_is_told(numbers):
    with pytest.raises(UsageError, match=r"dataset\.tasks=3: tiny gives 2 tasks; set that or null"):
        given(numbers, tasks=3)
    with pytest.raises(UsageError, match="tiny gives no tasks; add t_train and t_test"):
        given(replace(numbers, train_tasks=None, test_tasks=None))
    with pytest.raises(UsageError, match="t=1 has 30 training and 0 test samples"):
        given(replace(numbers, test_tasks=np.zeros(30, dtype=np.int64)))
    constant = replace(numbers, test_labels=np.ones((30, 2), dtype=np.float32))
    with pytest.raises(UsageError, match="the test targets of t=0 are one number, so that R² is"):
        given(constant)
    holes = replace(numbers, train_labels=np.full((60, 2), np.nan, dtype=np.float32))
    with pytest.raises(UsageError, match="has targets that are not finite"):
        given(holes)
    flat = replace(numbers, test_labels=numbers.test_labels[:, 0])
    with pytest.raises(UsageError, match=r"numbers have the shape \(30,\); they must be \(30, 2\)"):
        given(flat)
    classes = replace(numbers, train_labels=np.zeros(60, dtype=np.int64))
    with pytest.raises(
        UsageError, match=r"dataset\.target=regression: tiny has classes as targets"
    ):
        given(classes)


def test_patients_by_age():
    data = load("diabetes", None, {"groups": 3})
    assert data.train_images.shape == (295, 10)
    assert data.test_images.shape == (147, 10)
    assert data.train_labels.dtype == np.float32
    assert data.train_labels.mean() == pytest.approx(0, abs=1e-6)
    assert data.train_labels.std() == pytest.approx(1, abs=1e-6)
    # the first patient: 59 years, 151
    assert data.train_images[0, 0] == 59
    ages = [data.train_images[data.train_tasks == group, 0] for group in range(3)]
    assert ages[0].max() < ages[1].min() <= ages[1].max() < ages[2].min()
    assert all(90 <= len(part) <= 106 for part in ages)
    assert data.task_names == ("age 19-44", "age 45-55", "age 56-79")
    with pytest.raises(UsageError, match=r"dataset\.read\.groups=9"):
        load("diabetes", None, {"groups": 9})


@pytest.fixture
def own_numbers(tmp_path):
    """A file of two tasks with two numbers a sample; options replace or, as None, remove arrays."""

    def write(**changes) -> str:
        draw = np.random.default_rng(7)
        arrays = {
            "x_train": draw.normal(size=(40, 3)), "y_train": draw.normal(size=(40, 2)),
            "x_test": draw.normal(size=(20, 3)), "y_test": draw.normal(size=(20, 2)),
            "t_train": np.repeat(["north", "south"], 20),
            "t_test": np.repeat(["north", "south"], 10),
        }  # fmt: skip
        arrays = {key: value for key, value in (arrays | changes).items() if value is not None}
        np.savez(tmp_path / "own.npz", **arrays)
        return f"dataset.path={tmp_path / 'own.npz'}"

    return write


def test_own_numbers_are_learned_from_the_command_line(inline, own_numbers):
    words = ["method=mas", "dataset=npz_regression", own_numbers(), "plots=false", "device=cpu"]
    code, out, err = inline(*words)
    assert code == 0, err
    assert out.startswith("Test R² in %")
    code, out, err = inline("show", *words[1:3])
    assert code == 0, err
    assert "north" in out


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"y_train": np.zeros((40, 0))},
            "y_train has shape (40, 0); x_train needs (40,) or (40, K)",
        ),
        ({"y_test": np.zeros((19, 2))}, "y_test has shape (19, 2); x_test needs (20,) or (20, K)"),
        ({"y_test": np.arange(20.0)}, "y_train and y_test have another number of numbers a sample"),
        ({"y_train": np.full((40, 2), "a")}, "y_train is <U1; it must be numbers"),
        ({"y_train": np.full((40, 2), np.nan)}, "y_train has values that float32 cannot hold"),
        ({"y_train": np.full((40, 2), 1e300)}, "y_train has values that float32 cannot hold"),
        ({"y_test": np.ones((20, 2))}, "the test targets of north are one number"),
        ({"t_train": None, "t_test": None}, "gives no tasks; add t_train and t_test"),
    ],
)
def test_bad_numbers_are_told_in_one_sentence(inline, own_numbers, changes, told):
    code, _, err = inline("method=single", "dataset=npz_regression", own_numbers(**changes))
    assert code == 2
    assert told in err
    assert len(err.strip().splitlines()) == 1


def test_numbers_where_classes_belong_are_told(inline, own_numbers):
    code, _, err = inline("method=single", "dataset=npz", own_numbers(y_train=np.zeros(40)))
    assert code == 2
    assert "y_test has shape (20, 2); x_test needs (20,)" in err
