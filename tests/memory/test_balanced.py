from __future__ import annotations

import torch

from cl_bench.memory.balanced import Balanced


def memory(size):
    settings = Balanced.Settings(name="balanced", size=size)
    return Balanced(settings, 2, (1,), torch.device("cpu"))


def test_every_class_gets_its_share():
    kept, draw = memory(6), torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 10 + [1] * 2 + [2] * 5)
    for start in range(0, len(labels), 3):
        y = labels[start : start + 3]
        kept.add(y[:, None].float(), y, 0, draw)
    assert kept.y.bincount().tolist() == [2, 2, 2]
    assert torch.equal(kept.x[:, 0].long(), kept.y)
    y = torch.tensor([0, 0])
    kept.add(y[:, None].float(), y, 1, draw)  # its class has its share: not kept
    assert not kept.task_ids(kept.rows()).any()


def test_a_batch_has_the_effect_of_its_samples_one_by_one():
    labels = torch.tensor([0] * 12 + [1] * 5 + [2] * 9 + [3] * 7 + [1] * 4)
    found = []
    for size in (1, 4, len(labels)):
        kept, draw = memory(10), torch.Generator().manual_seed(0)
        x = torch.arange(len(labels)).float()[:, None]
        for part in torch.arange(len(labels)).split(size):
            kept.add(x[part], labels[part], 0, draw)
        found.append(kept.x)
        assert sorted(kept.y.bincount().tolist()) == [2, 2, 3, 3]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
