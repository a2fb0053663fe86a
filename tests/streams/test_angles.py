"""Pictures turned by angles, which are the targets."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cl_bench.config.compose import config_of
from cl_bench.datasets import load
from cl_bench.errors import UsageError
from cl_bench.streams.angles import Angles
from cl_bench.streams.transforms import gather, nearest_rotation, turned

CPU = torch.device("cpu")


def angles(data=None, seed=0, **options) -> Angles:
    settings = {**config_of(["dataset=digits_angles"]).dataset, "seed": seed, **options}
    return Angles(Angles.Settings.model_validate(settings), data or load("digits"), seed, CPU)


@pytest.mark.parametrize("degrees", [0.0, 90.0, -90.0, 180.0])
@pytest.mark.parametrize("shape", [(2, 6, 6), (2, 3, 5, 5)])
def test_a_quarter_turn_moves_whole_pixels(degrees, shape):
    images = torch.randint(
        256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    plan = nearest_rotation(shape[1:], degrees)
    found = turned(images, torch.full((2,), degrees, dtype=torch.float64))
    assert found.dtype == torch.uint8
    assert torch.equal(found, gather(images.flatten(1), plan).view(shape))


def test_between_two_pixels_both_count_and_outside_is_zero():
    image = torch.zeros(1, 2, 2)
    image[0, 0, 0] = 1.0
    found = turned(image, torch.tensor([45.0], dtype=torch.float64))[0]
    # a pixel's middle is √½ from the centre; the turned one's lies there on an axis, between the
    # two of a side, whose middles are ½ away across it and √½ - ½ along it
    side, off = 0.5, 1 - (0.5**0.5 - 0.5)
    assert found[0, 0] == pytest.approx(side * off, abs=1e-6)
    assert found[1, 0] == pytest.approx(side * off, abs=1e-6)  # counter-clockwise: to the left
    assert found[0, 1] == found[1, 1] == pytest.approx(0.0, abs=1e-6)


def test_targets_are_the_angles_over_the_largest(tiny):
    square = replace(tiny, train_images=np.tile(tiny.train_images, (1, 2, 2)))
    square = replace(square, test_images=np.tile(tiny.test_images, (1, 2, 2)))
    stream = angles(square, tasks=3, max_degrees=60.0, views=2, batch_size=7)
    assert stream.classes == 1
    assert [task.name for task in stream.tasks] == ["class 0", "class 1", "class 2"]
    degrees, of_test = stream.tasks[0].transform.degrees
    assert stream.train.labels.shape == (120, 1)
    assert stream.train.labels.dtype == torch.float32
    torch.testing.assert_close(stream.train.labels[:, 0], (degrees / 60).float())
    torch.testing.assert_close(stream.test.labels[:, 0], (of_test / 60).float())
    assert -60 <= degrees.min() < -50 < 50 < degrees.max() <= 60
    pictures = torch.from_numpy(square.train_images).repeat_interleave(2, 0)
    assert torch.equal(stream.train.images, turned(pictures, degrees))
    for number, task in enumerate(stream.tasks):
        assert (square.train_labels[task.train.numpy() // 2] == number).all()
        assert (square.test_labels[task.test.numpy() // 2] == number).all()
        assert len(task.train) == 2 * (square.train_labels == number).sum()
    x, y = next(stream.train_batches(stream.tasks[0]))
    assert x.shape == (7, 8, 8)
    assert y.shape == (7, 1)


def test_dataset_seed_draws_the_angles_and_the_checksum_knows_them():
    one, same, other = angles(), angles(), angles(seed=1)
    assert one.checksum() == same.checksum() != other.checksum()
    assert torch.equal(one.train.images, same.train.images)
    assert not torch.equal(one.train.labels, other.train.labels)


def test_several_classes_a_task_and_fewer_samples():
    stream = angles(tasks=2, samples_per_task=30)
    assert [task.name for task in stream.tasks] == ["classes 0-4", "classes 5-9"]
    assert [len(task.train) for task in stream.tasks] == [30, 30]


def test_blurred_tasks_keep_their_one_output():
    stream = angles(samples_per_task=40, blur=0.5, task_identity="none")
    assert {task.classes for task in stream.tasks} == {(0,)}
    assert sum(len(y) for task in stream.tasks for _, y in stream.train_batches(task)) == 400


def test_what_it_cannot_do_is_told(tiny):
    with pytest.raises(UsageError, match=r"dataset\.tasks=3: does not divide 10 classes of digits"):
        angles(tasks=3)
    with pytest.raises(UsageError, match=r"dataset\.augment=crop_flip: mirrors pictures"):
        angles(augment="crop_flip")
    flat = replace(tiny, train_images=tiny.train_images.reshape(60, 16),
                   test_images=tiny.test_images.reshape(30, 16))  # fmt: skip
    with pytest.raises(
        UsageError, match=r"turns square pictures, a sample of tiny has shape \(16,"
    ):
        angles(flat, tasks=3)
