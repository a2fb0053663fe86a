"""Inputs brought to one scale: what is measured, on which samples, and what is left alone."""

import numpy as np
import pytest
import torch

from cl_bench.datasets import Arrays
from cl_bench.streams.class_split import ClassSplit
from cl_bench.streams.normalize import Normalizer

RNG = np.random.default_rng(0)


def stream(images, **changes):
    labels = np.arange(len(images)) % 4
    data = Arrays("own", images, labels, images[:8], labels[:8], 4, "0" * 64, "a test")
    values = {
        "name": "npz", "source": "npz", "path": None, "stream": "class_split", "scenario": "task",
        "tasks": 2, "samples_per_task": None, "batch_size": 4, "epochs": 1, "validation": 0.0,
        "blur": 0.0, "order": None, "order_seed": None, "tune_tasks": 0, "phase": "learn",
        "seed": 0, "split": None, "class_order": "natural", "classes": None, **changes,
    }  # fmt: skip
    return ClassSplit(ClassSplit.Settings(**values), data, 0, torch.device("cpu"))


FEATURES = (RNG.normal(size=(400, 5)) * [1e-3, 1, 50, 1, 1] + [0, 9, 0, 0, 3]).astype(np.float32)
FEATURES[:, 4] = 3


@pytest.mark.parametrize("statistics", ["first_task", "training"])
def test_every_feature_has_mean_0_and_deviation_1(statistics):
    found = stream(FEATURES, normalize="standardize", statistics=statistics)
    task = found.tasks[0]
    rows = task.train if statistics == "first_task" else torch.arange(400)
    x = found.train.images[rows].double()
    assert x.mean(0).abs().max() < 1e-5
    assert (x[:, :4].std(0, correction=0) - 1).abs().max() < 1e-5
    assert (x[:, 4] == 0).all()  # the same everywhere: nothing to divide by
    assert found.train.images.dtype == torch.float32
    torch.testing.assert_close(found.test.images, found.train.images[:8])


def test_minmax_of_the_first_task_leaves_later_ones_outside():
    images = FEATURES.copy()
    images[np.arange(400) % 4 >= 2] *= 2
    x = stream(images, normalize="minmax").train.images
    first = np.arange(400) % 4 < 2
    assert x[first][:, :4].amin(0).tolist() == [0] * 4
    assert x[first][:, :4].amax(0).tolist() == [1] * 4
    assert x[~first].max() > 1
    whole = stream(images, normalize="minmax", statistics="training").train.images
    assert whole.max() == 1


def test_center_takes_the_mean_picture_away_pixel_by_pixel():
    images = RNG.integers(0, 256, (400, 3, 6, 6), dtype=np.uint8)
    found = stream(images, normalize="center", statistics="training").train.images
    wanted = images / 255 - (images / 255).mean(0)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)


def test_a_picture_is_measured_by_its_channels():
    images = RNG.integers(0, 256, (400, 3, 6, 6), dtype=np.uint8)
    images[:, 1] //= 2
    found = stream(images, normalize="standardize", statistics="training")
    assert found.normalizer.shift.shape == (1, 3, 1, 1)
    x = found.train.images.double()
    assert x.mean((0, 2, 3)).abs().max() < 1e-6
    grey = Normalizer.measured("standardize", torch.from_numpy(images[:, 0]), torch.arange(400))
    assert grey.shift.shape == (1, 1, 1)
    assert float(grey.shift) == pytest.approx(images[:, 0].mean() / 255)


def test_the_checksum_of_the_stream_tells_it():
    sums = {
        stream(FEATURES, **changes).checksum()
        for changes in (
            {}, {"normalize": "minmax"}, {"normalize": "standardize"},
            {"normalize": "minmax", "statistics": "training"},
        )
    }  # fmt: skip
    assert len(sums) == 4
