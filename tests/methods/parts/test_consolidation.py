import torch

from cl_bench.methods.parts.consolidation import Shared, consolidate

CPU = torch.device("cpu")


def shared(layers, size, centroids):
    before = Shared.none(layers, size, CPU)
    before.centroids = torch.tensor(centroids)
    return before


def test_a_hand_worked_example():
    # one layer of 3 entries; rows 0, 1, 3 belong together, row 2 is alone
    rows = torch.tensor([[1.0, 5.0, 0.0], [1.1, 5.3, 0.2], [9.0, 0.0, 0.0], [1.0, 5.0, 0.1]])
    before = shared([slice(0, 3)], 3, [[1.0, 5.0, 0.0], [9.0, 0.0, 0.0]])
    own, after = consolidate(rows, before, 2, 0.15, "midrange", torch.Generator())
    assert after.groups[:, 0].tolist() == [0, 0, -1, 0]
    # gaps 0.1, 0.3, 0.2: only the first entry is close enough
    torch.testing.assert_close(after.values, torch.tensor([[1.05, 0, 0], [0, 0, 0]]))
    expected = torch.tensor([[0, 5.0, 0.0], [0, 5.3, 0.2], [9.0, 0.0, 0.0], [0, 5.0, 0.1]])
    assert torch.equal(own, expected)
    centre = torch.tensor([[3.1 / 3, 5.1, 0.1], [9.0, 0.0, 0.0]])
    torch.testing.assert_close(after.centroids, centre)
    _, mean = consolidate(rows, before, 2, 0.15, "centroid", torch.Generator())
    torch.testing.assert_close(mean.values[0, 0], torch.tensor(3.1 / 3))


def test_every_layer_is_grouped_on_its_own_and_what_is_outside_stays():
    layers = [slice(0, 2), slice(3, 5)]
    rows = torch.tensor([[0, 0, 7.0, 0, 0], [0, 0, 8.0, 4, 4], [5, 5, 9.0, 4, 4]])
    before = shared(layers, 5, [[0, 0, 0, 0, 0], [5.0, 5, 0, 4, 4]])
    own, after = consolidate(rows, before, 2, 0.1, "midrange", torch.Generator())
    assert after.groups.tolist() == [[0, -1], [0, 1], [-1, 1]]
    assert torch.equal(own[:, 2], rows[:, 2])
    assert torch.equal(own[1:, 3:], torch.zeros(2, 2))
    whole = own + torch.stack([after.of(row) for row in range(3)])
    assert torch.equal(whole, rows)


def test_rows_move_by_half_the_gap_at_most_and_only_where_shared():
    draw = torch.Generator().manual_seed(4)
    rows = 0.02 * torch.rand(7, 40, generator=draw)
    before = Shared.none([slice(0, 40)], 40, CPU)
    own, after = consolidate(rows, before, 3, 0.01, "midrange", draw)
    whole = own + torch.stack([after.of(row) for row in range(7)])
    changed = whole != rows
    assert changed.any()
    assert (whole - rows).abs().max() <= 0.005 + 1e-8
    assert not (changed & (own != 0)).any()


def test_more_groups_than_rows_are_not_made():
    rows = torch.tensor([[0.0, 1.0], [3.0, 4.0]])
    own, after = consolidate(
        rows, Shared.none([slice(0, 2)], 2, CPU), 6, 0.1, "midrange", torch.Generator()
    )
    assert torch.equal(own, rows)
    assert not after.values.any()


def test_what_no_row_shares_any_more_is_dropped_with_the_last_one():
    rows = torch.tensor([[1.0], [1.0], [5.0], [5.0]])
    before = shared([slice(0, 1)], 1, [[1.0], [5.0]])
    _, after = consolidate(rows, before, 2, 0.1, "midrange", torch.Generator())
    after.drop_row(0)
    assert after.values.tolist() == [[1.0], [5.0]]
    after.drop_row(0)
    assert after.values.tolist() == [[0.0], [5.0]]
    assert after.of(1).tolist() == [5.0]


def test_a_centroid_is_a_row_and_is_forgotten_with_it():
    rows = torch.tensor([[1.0], [2.0], [9.0]])
    before = shared([slice(0, 1)], 1, [[1.0], [5.0]])
    _, after = consolidate(rows, before, 2, 0.1, "midrange", torch.Generator())
    assert after.centroids.tolist() == [[1.5], [9.0]]
    after.drop_row(2)
    assert not len(after.centroids)
    own, again = consolidate(rows[:2], after, 2, 0.1, "midrange", torch.Generator())
    assert torch.equal(own + torch.stack([again.of(0), again.of(1)]), rows[:2])
