from __future__ import annotations

import torch

from cl_bench.files.stateful import Stateful


class Part(Stateful):
    kept = ("value",)

    def __init__(self, value=0):
        self.value = value


class Base(Stateful):
    kept = ("theta", "draw")

    def __init__(self):
        self.theta = torch.zeros(3)
        self.view = self.theta[:2]
        self.draw = torch.Generator().manual_seed(1)
        self.left_out = 0


class Whole(Base):
    kept = ("part", "rows", "count", "parts", "table", "nothing")

    def __init__(self):
        super().__init__()
        self.part = Part()
        self.rows = torch.zeros(0, 2)
        self.count = 0
        self.parts = [Part(), Part()]
        self.table = {}
        self.nothing = None


def test_what_is_named_comes_back_and_what_is_not_is_left():
    one, other = Whole(), Whole()
    one.theta.copy_(torch.arange(3.0))
    torch.rand(2, generator=one.draw)
    one.part.value, one.count, one.left_out = 7, 3, 9
    one.rows = torch.ones(4, 2)
    one.parts[1].value = torch.tensor([5.0])
    one.table = {"a": torch.ones(1), "b": [1, 2]}
    one.nothing = [0.5, [torch.ones(2)]]
    other.load_state_dict(one.state_dict())
    assert other.view.tolist() == [0.0, 1.0]  # written into, so that views stay views
    assert torch.equal(torch.rand(3, generator=other.draw), torch.rand(3, generator=one.draw))
    assert (other.part.value, other.count, other.left_out) == (7, 3, 0)
    assert other.rows.shape == (4, 2)
    assert other.parts[1].value.tolist() == [5.0]
    assert other.table["a"].tolist() == [1.0]
    assert other.table["b"] == [1, 2]
    assert other.nothing[0] == 0.5
    assert other.nothing[1][0].tolist() == [1.0, 1.0]


def test_a_restored_tensor_is_memory_of_its_own():
    one, other = Whole(), Whole()
    one.rows = torch.ones(4, 2)
    other.load_state_dict(one.state_dict())
    one.rows.zero_()
    assert other.rows.all()
