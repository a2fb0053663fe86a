import torch

from cl_bench.methods.parts.herding import herd


def test_herding_worked_by_hand():
    # mean 2; the nearest is 2.5, then (2.5 + 1) / 2 = 1.75 beats (2.5 + 0) / 2 and (2.5 + 4.5) / 2;
    # third pick: (3.5 + 4.5) / 3 = 2.67 and (3.5 + 0) / 3 = 1.17 lie .67 and .83 away
    features = torch.tensor([[0.0], [1.0], [2.5], [4.5]])
    assert herd(features, 3).tolist() == [2, 1, 3]
    assert herd(features, 9).tolist() == [2, 1, 3, 0]


def test_herding_in_the_plane_takes_no_sample_twice():
    features = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, 0.0]])
    # the mean itself, then any corner (they tie, the first wins), then the corner opposite
    assert herd(features, 3).tolist() == [4, 0, 1]
    assert sorted(herd(features, 5).tolist()) == [0, 1, 2, 3, 4]
