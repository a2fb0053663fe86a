import torch

from cl_bench.rng import generator


def draw(*name):
    return torch.randint(0, 2**40, (8,), generator=generator(*name)).tolist()


def test_streams_repeat_and_differ():
    assert draw(0, "init") == draw(0, "init")
    assert draw(0, "init") != draw(0, "order")
    assert draw(0, "init") != draw(1, "init")
    assert draw(0, "order", 1, 2) != draw(0, "order", 12)
