"""Own data: what is read, and one clear sentence for everything that does not fit."""

import zipfile

import numpy as np
import pytest
import torch

from cl_bench.cli.main import main
from cl_bench.config.schema import check
from cl_bench.datasets import load
from cl_bench.errors import UsageError
from cl_bench.streams.class_split import ClassSplit

RNG = np.random.default_rng(0)


def arrays(**changes):
    labels = np.arange(60) % 6
    whole = {
        "x_train": RNG.integers(0, 256, (60, 5, 5), dtype=np.uint8),
        "y_train": labels,
        "x_test": RNG.integers(0, 256, (12, 5, 5), dtype=np.uint8),
        "y_test": labels[:12],
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def saved(tmp_path, **changes):
    path = tmp_path / "own.npz"
    np.savez(path, **arrays(**changes))
    return str(path)


def test_own_arrays(tmp_path):
    data = load("npz", saved(tmp_path))
    assert data.train_images.shape == (60, 5, 5)
    assert data.classes == 6
    assert data.train_tasks is None
    assert load("npz", saved(tmp_path)).sha256 != data.sha256  # other random images


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_pictures_in_floats_are_kept_as_their_levels(tmp_path, kind):
    levels = RNG.integers(0, 256, (60, 7), dtype=np.uint8)
    x = (levels / 255).astype(kind)
    data = load("npz", saved(tmp_path, x_train=x, x_test=x[:12]))
    assert data.train_images.dtype == np.uint8
    assert np.array_equal(data.train_images, levels)
    assert np.array_equal(data.test_images, levels[:12])


def test_floats_of_any_range_are_kept_as_they_are(tmp_path):
    for scale in (0.001, 1.0, 1e6):
        x = RNG.normal(size=(60, 7)) * scale
        data = load("npz", saved(tmp_path, x_train=x, x_test=x[:12]))
        assert np.array_equal(data.train_images, x.astype(np.float32))


NAN = np.full((60, 5, 5), np.nan)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": None}, "has no array y_test"),
        ({"y_train": np.zeros(59, int)}, r"y_train has shape \(59,\); x_train needs \(60,\)"),
        ({"y_train": np.zeros((60, 1), int)}, "y_train has shape"),
        ({"x_train": np.zeros(60, np.uint8)}, "x_train has shape"),
        ({"x_train": np.zeros((0, 5, 5), np.uint8)}, "not empty"),
        ({"x_test": np.zeros((12, 5, 6), np.uint8)}, "must have one shape"),
        ({"x_train": np.zeros((60, 5, 5), np.int32)}, "x_train is int32"),
        ({"x_train": NAN}, "not finite"),
        ({"x_train": np.full((60, 5, 5), 1e39)}, "beyond those of float32"),
        ({"x_train": np.full((60, 5, 5), 2.5)}, "one of x_train and x_test is uint8"),
        ({"y_train": np.full(60, "\x1b[2J"), "y_test": np.full(12, "a")}, "printable characters"),
        ({"y_train": np.full(60, "cat"), "y_test": np.full(12, "dog")}, "y_test has label dog"),
        ({"y_train": np.full(60, "cat")}, "one of y_train and y_test is text"),
        ({"y_train": np.zeros(60)}, "y_train is float64"),
        ({"y_train": np.arange(60) % 6 - 1}, "numbers start at 0"),
        ({"y_train": np.arange(60) % 6 * 2}, "goes up to label 10 but has no label 1"),
        ({"y_test": np.full(12, 9)}, "y_test has label 9, y_train does not"),
        ({"t_train": np.zeros(60, int)}, "one of t_train and t_test"),
        ({"t_train": np.ones(60, int), "t_test": np.ones(12, int)}, "has no task 0"),
        ({"y_train": np.array([{}] * 60)}, "cannot be read as plain arrays"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(tmp_path, changes, words):
    with pytest.raises(UsageError, match=words) as caught:
        load("npz", saved(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_npz(tmp_path):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 nothing")
    single = tmp_path / "single.npy"
    np.save(single, np.zeros(3))
    for path in (broken, single):
        with pytest.raises(UsageError, match="cannot be read as plain arrays"):
            load("npz", str(path))
    with pytest.raises(UsageError, match="no such file"):
        load("npz", str(tmp_path / "none.npz"))
    with pytest.raises(UsageError, match="give the file"):
        load("npz")


def huge(content):
    return content.replace(b"(60, 5, 5), }" + 16 * b" ", b"(10000000000000000,), }      ")


def unclosed(content):
    return content.replace(b"}", b" ")


@pytest.mark.parametrize("damage", [huge, unclosed, lambda content: b"no array"])
def test_a_member_that_is_no_array(tmp_path, damage):
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(saved(tmp_path)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert damage(members["x_train.npy"]) != members["x_train.npy"]
    members["x_train.npy"] = damage(members["x_train.npy"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UsageError, match="cannot be read as plain arrays") as caught:
        load("npz", str(path))
    assert "\n" not in str(caught.value)


def settings(path, **changes):
    values = {
        **{"name": "npz", "source": "npz", "path": path, "stream": "class_split"},
        **{"scenario": "task", "tasks": None, "samples_per_task": None, "batch_size": 4},
        **{"epochs": 1, "validation": 0.0, "blur": 0.0, "order": None, "order_seed": None},
        **{"tune_tasks": 0, "phase": "learn", "seed": 0, "split": None},
        **{"class_order": "natural", "classes": None, **changes},
    }
    return check(values, ClassSplit.Settings)


def build(path, **changes):
    return ClassSplit(settings(path, **changes), load("npz", path), 0, torch.device("cpu"))


def test_given_tasks(tmp_path):
    labels = np.arange(60) % 6
    tasks = np.where(labels < 4, 0, 1)
    path = saved(tmp_path, t_train=tasks, t_test=tasks[:12])
    stream = build(path)
    assert [task.classes for task in stream.tasks] == [(0, 1, 2, 3), (4, 5)]
    domain = build(path, scenario="domain")
    assert domain.classes == 4
    assert set(domain.train.labels[domain.tasks[1].train].tolist()) == {0, 1}


def test_tasks_that_share_classes_keep_their_labels(tmp_path):
    tasks = np.arange(60) // 30
    path = saved(tmp_path, t_train=tasks, t_test=np.arange(12) // 6)
    for scenario in ("domain", "class"):
        stream = build(path, scenario=scenario)
        assert stream.classes == 6
        assert stream.tasks[0].classes == stream.tasks[1].classes == tuple(range(6))
        assert stream.train.labels.tolist() == (np.arange(60) % 6).tolist()


def test_a_task_that_tests_what_it_never_trains(tmp_path):
    labels = np.arange(60) % 6
    tasks = np.where(labels < 4, 0, 1)
    path = saved(tmp_path, t_train=tasks, t_test=np.ones(12, int) - tasks[:12])
    with pytest.raises(UsageError, match="tests label 4 but has no training sample of it"):
        build(path)


def test_a_run_on_own_data(tmp_path, capsys):
    path = saved(tmp_path)
    command = ["method=single", "dataset=npz", f"dataset.path={path}", f"outputs={tmp_path}/out"]
    command += ["device.threads=1", "plots=false", "-q"]
    assert main([*command, "dataset.tasks=3"]) == 0
    assert main(command) == 2
    assert "give the number of tasks" in capsys.readouterr().err
