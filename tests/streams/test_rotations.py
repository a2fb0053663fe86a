"""Rotations equal Pillow's; the angles are reproducible and lie in their bins."""

import numpy as np
import pytest
import torch
from PIL import Image

from cl_bench.config.schema import check
from cl_bench.datasets import load
from cl_bench.streams.quarter_turns import Turned
from cl_bench.streams.rotations import Rotations
from cl_bench.streams.split import Split
from cl_bench.streams.transforms import Blend, Gather, bilinear_rotation, nearest_rotation

CPU = torch.device("cpu")
ANGLES = [0, 1e-9, 33, 45, 89.999, 90, 135.5, 179.99, 180, 270, 359, -90, 720.5]
ANGLES += np.random.default_rng(0).uniform(0, 180, 40).tolist()
SETTINGS = {
    "name": "digits_rotations",
    "source": "digits",
    "path": None,
    "stream": "rotations",
    "scenario": "domain",
    "tasks": 20,
    "samples_per_task": 50,
    "batch_size": 10,
    "epochs": 1,
    "validation": 0.0,
    "blur": 0.0,
    "order": None,
    "order_seed": None,
    "tune_tasks": 0,
    "phase": "learn",
    "seed": 0,
    "min_degrees": 0.0,
    "max_degrees": 180.0,
    "sampling": "nearest",
}


def random_split(shape, count=4):
    # no zeros, so that a pixel from outside cannot pass for one of the image
    images = np.random.default_rng(1).integers(1, 256, (count, *shape), dtype=np.uint8)
    return Split(images, np.zeros(count, np.int64), CPU)


def pillow_rotation(split, degrees, resample):
    def rotate(image):
        return np.asarray(Image.fromarray(image).rotate(degrees, resample=resample))

    channels = split.images.flatten(0, -3).numpy()
    turned = np.stack([rotate(channel) for channel in channels])
    return turned.reshape(split.images.shape)


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (9, 9), (12, 7), (3, 32, 32)])
def test_nearest_equals_pillow_pixel_for_pixel(shape):
    split = random_split(shape)
    for degrees in ANGLES:
        transform = Gather(nearest_rotation(shape, degrees))
        expected = pillow_rotation(split, degrees, Image.NEAREST)
        for rows in (slice(None), torch.tensor([3, 0])):
            levels = (transform(split, rows) * 255).round().byte().numpy()
            assert np.array_equal(levels, expected[rows]), degrees


@pytest.mark.parametrize("shape", [(28, 28), (3, 12, 7)])
def test_bilinear_is_within_one_level_of_pillow(shape):
    split = random_split(shape)
    for degrees in ANGLES:
        levels = Blend(*bilinear_rotation(shape, degrees))(split, slice(None)).numpy() * 255
        expected = pillow_rotation(split, degrees, Image.BILINEAR).astype(float)
        assert np.abs(levels - expected).max() < 1.01, degrees


def test_quarter_turns_are_rows():
    split = random_split((3, 6, 6))
    rows = torch.tensor([0, 7, 2, 9, 15, 4])
    levels = (Turned()(split, rows) * 255).round().byte()
    for row, image in zip(rows.tolist(), levels, strict=True):
        assert torch.equal(image, split.images[row % 4].rot90(row // 4, (-2, -1)))
    assert torch.equal(Turned()(split, slice(0, 4)), split.images / 255)


def build(**changes):
    settings = check({**SETTINGS, **changes}, Rotations.Settings)
    return Rotations(settings, load("digits"), seed=0, device=CPU)


def test_one_angle_in_every_bin_by_the_dataset_seed():
    names = [task.name for task in build().tasks]
    degrees = [float(name.split()[1].rstrip("°")) for name in names]
    assert all(9 * t <= angle <= 9 * (t + 1) for t, angle in enumerate(degrees))
    assert [task.name for task in build().tasks] == names
    assert [task.name for task in build(seed=1).tasks] != names


def test_sampling_changes_inputs_but_not_angles():
    nearest, bilinear = build(), build(sampling="bilinear")
    assert [t.name for t in nearest.tasks] == [t.name for t in bilinear.tasks]
    assert nearest.checksum() != bilinear.checksum()
    (a, y), (b, z) = (next(s.train_batches(s.tasks[3])) for s in (nearest, bilinear))
    assert torch.equal(y, z)
    assert not torch.equal(a, b)
    assert (a - b).abs().mean() < 0.2


def test_free_angles_are_drawn_from_all_of_the_range():
    bins, free = (
        Rotations(
            check({**SETTINGS, **more}, Rotations.Settings, "dataset"), load("digits"), 0, CPU
        )
        for more in ({}, {"angles": "free"})
    )

    def degrees(stream):
        return np.array([float(task.name.split()[1].rstrip("°")) for task in stream.tasks])

    # the same draws: in its bin an angle is the draw's place within 180/20 degrees
    assert degrees(bins) == pytest.approx(np.arange(20) * 9 + degrees(free) / 20, abs=0.01)
    assert (np.diff(degrees(free)) < 0).any()
    assert degrees(free).min() >= 0
    assert degrees(free).max() < 180
