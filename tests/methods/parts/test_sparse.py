import torch

from cl_bench.methods.parts.sparse import pack_rows, unpack_rows


def test_rows_are_sparse_where_that_is_smaller():
    rows = torch.zeros(2, 100)
    rows[0, [3, 50]] = torch.tensor([1.5, -2.0])
    rows[1] = torch.arange(100.0) + 1
    packed = pack_rows(rows)
    assert sum(part.numel() for part in packed[0].values()) == 4
    assert torch.equal(packed[1], rows[1])
    again = unpack_rows(packed, rows[:0])
    assert torch.equal(again, rows)
    packed[1].zero_()  # what was unpacked is in memory of its own
    assert again[1].all()


def test_no_rows():
    assert unpack_rows(pack_rows(torch.zeros(0, 5)), torch.zeros(3, 5)).shape == (0, 5)
