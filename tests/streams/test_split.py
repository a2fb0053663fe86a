"""A split in blocks holds every image with its label, and leaves out zeros alone."""

import numpy as np
import torch

from cl_bench.streams.split import BLOCK, Split


def test_blocks_hold_everything_but_the_zeros():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=BLOCK + 7)
    images = rng.integers(1, 256, size=(len(labels), 3, 4)).astype(np.uint8)
    images[labels == 0, :, 0] = 0  # an edge that a class leaves empty
    images[:, 0] = 0
    split = Split(images, labels, torch.device("cpu"))

    rebuilt = []
    for block in split.blocks:
        whole = torch.zeros(len(block.images), 12, dtype=torch.uint8)
        whole[:, block.columns] = block.images
        rebuilt += [(int(y), *x.tolist()) for x, y in zip(whole, block.labels, strict=True)]
    given = [(int(y), *x.ravel().tolist()) for x, y in zip(images, labels, strict=True)]
    assert sorted(rebuilt) == sorted(given)
    assert [len(block.columns) for block in split.blocks] == [8, 8]
    assert [len(block.images) for block in split.blocks] == [BLOCK, 7]


def test_a_block_of_one_class_needs_no_column_that_the_class_leaves_empty():
    labels = np.repeat([1, 0], BLOCK)
    images = np.ones((len(labels), 5), np.float32)
    images[labels == 0, :2] = 0
    first, second = Split(images, labels, torch.device("cpu")).blocks
    assert first.columns.tolist() == [2, 3, 4]
    assert set(first.labels.tolist()) == {0}
    assert second.columns.tolist() == [0, 1, 2, 3, 4]
    assert set(second.labels.tolist()) == {1}
