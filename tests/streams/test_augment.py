"""Pictures cropped and mirrored at random while they are learned."""

import numpy as np
import pytest
import torch
from small_runs import small

from cl_bench.config.compose import config_of
from cl_bench.errors import UsageError
from cl_bench.run.build import build_stream
from cl_bench.streams.augment import BORDER, CropFlip

CPU = torch.device("cpu")
FEW = ("dataset=digits_split", "dataset.tasks=2", "dataset.samples_per_task=60")


def by_hand(picture, shift, flip):
    """(C, H, W), one picture with NumPy."""
    height, width = picture.shape[-2:]
    padded = np.pad(picture, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))
    crop = padded[:, shift[0] : shift[0] + height, shift[1] : shift[1] + width]
    return crop[:, :, ::-1] if flip else crop


@pytest.mark.parametrize("shape", [(3, 6, 5), (6, 5)])
def test_every_picture_is_cropped_and_mirrored_as_by_hand(shape):
    x = torch.rand(20, *shape)
    augment = CropFlip.drawn(30, torch.Generator().manual_seed(0))
    found = augment(x, 7)
    assert found.shape == x.shape
    for place, picture in enumerate(x.reshape(20, -1, 6, 5).numpy()):
        shift, flip = augment.shift[7 + place].tolist(), bool(augment.flip[7 + place])
        expected = by_hand(picture, shift, flip)
        np.testing.assert_array_equal(found[place].reshape(-1, 6, 5).numpy(), expected)


def test_all_corners_and_both_sides_are_drawn_equally():
    augment = CropFlip.drawn(9000, torch.Generator().manual_seed(0))
    counts = torch.bincount(augment.shift.flatten(), minlength=9)
    assert len(counts) == 9
    assert (counts - 2000).abs().max() < 250
    assert abs(int(augment.flip.sum()) - 4500) < 250


def test_the_middle_unmirrored_is_the_picture():
    x = torch.rand(3, 2, 4, 4)
    same = CropFlip(torch.full((3, 2), BORDER), torch.zeros(3, dtype=torch.bool))
    assert torch.equal(same(x, 0), x)


def stream(*more):
    return build_stream(config_of(small("single", *FEW, *more)), CPU)


def test_a_pass_taken_up_in_its_middle_is_the_same_and_each_pass_another(monkeypatch):
    changed = stream("+dataset.augment=crop_flip", "dataset.epochs=2")
    task = changed.tasks[0]
    whole = [x for x, _ in changed.train_batches(task)]
    for start in (1, 5, 6, 9):
        rest = [x for x, _ in changed.train_batches(task, start)]
        assert all(torch.equal(a, b) for a, b in zip(whole[start:], rest, strict=True))
    monkeypatch.setattr("cl_bench.streams.base.PREPARED_BATCH", 20)
    assert all(
        torch.equal(a, b) for a, (b, _) in zip(whole, changed.train_batches(task), strict=True)
    )
    first, second = torch.cat(whole[:6]), torch.cat(whole[6:])
    assert not torch.equal(first.flatten(1).sum(1).sort()[0], second.flatten(1).sum(1).sort()[0])


def test_labels_tests_and_other_draws_stay():
    plain, changed = stream(), stream("+dataset.augment=crop_flip")
    for (x, y), (z, w) in zip(
        plain.train_batches(plain.tasks[0]), changed.train_batches(changed.tasks[0]), strict=True
    ):
        assert torch.equal(y, w)
        assert not torch.equal(x, z)
    for (x, _), (z, _) in zip(
        plain.test_batches(plain.tasks[0]), changed.test_batches(changed.tasks[0]), strict=True
    ):
        assert torch.equal(x, z)
    assert plain.checksum() != changed.checksum()


def test_another_word_is_refused():
    with pytest.raises(UsageError, match=r"dataset\.augment=turn: should be 'none' or"):
        stream("+dataset.augment=turn")
