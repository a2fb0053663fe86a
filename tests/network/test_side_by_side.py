import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cl_bench.network.side_by_side import able, side_by_side
from cl_bench.network.theta import Network
from cl_bench.network.workers import Workers

CPU = torch.device("cpu")


class Normed(nn.Module):
    """A network with two norms, the second one as it is asked for."""

    def __init__(self, second=None):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4)
        self.second = second or nn.BatchNorm1d(16)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.second(self.norm(self.conv(x[:, None])).relu().flatten(1)))


class Counting(nn.Module):
    """Leaves something that is no running statistic: the next pass depends on it."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(9, 3)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return self.linear(x.flatten(1)) * self.passes


class Unused(nn.Module):
    """Has parameters that no output depends on."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(9, 3), nn.Linear(9, 3)

    def forward(self, x):
        return self.used(x.flatten(1))


class Drawing(nn.Module):
    """Draws random numbers without a layer that tells of it."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(9, 3)

    def forward(self, x):
        return self.linear(F.dropout(x.flatten(1), 0.5, self.training))


def frozen():
    module = Normed()
    module.second.eval()
    return module


MODULES = {
    "norms": Normed,
    "mean of all passes": lambda: Normed(nn.BatchNorm1d(16, momentum=None)),
    "statistics of the batch": lambda: Normed(nn.BatchNorm1d(16, track_running_stats=False)),
    "a frozen norm": frozen,
    "no norm": Unused,
    "evaluated": lambda: Normed().eval(),
    "counting": Counting,
    "dropout": lambda: Normed(nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.5))),
}


def made(name, threads=1):
    torch.manual_seed(3)
    return Network(
        MODULES[name](), CPU, generator=torch.Generator().manual_seed(4), workers=Workers(threads)
    )


def groups_of(net, seed=0, counts=(6, 2, 5, 6, 6)):
    """Gradients (K, P) of groups of samples, and the samples x, y that they are of."""
    torch.manual_seed(seed)
    x, y = torch.rand(len(counts), 6, 3, 3), torch.randint(0, 3, (len(counts) * 6,))

    def sample_loss(logits, part):
        return F.cross_entropy(logits, y[part], reduction="none")

    rows = torch.full((len(counts), net.size), 7.0)
    return net.group_gradients(net.groups(x, list(counts)), sample_loss, rows).formed(), x, y


@pytest.mark.parametrize("name", MODULES)
def test_no_digit_depends_on_the_number_of_threads(name):
    one, some = made(name), made(name, threads=3)
    for seed in range(3):
        assert torch.equal(groups_of(one, seed)[0], groups_of(some, seed)[0])
    for mine, theirs in zip(one.module.buffers(), some.module.buffers(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", MODULES)
def test_every_group_is_as_if_the_others_had_gone_before(name):
    net, in_turn = made(name, threads=2), made(name)
    rows, x, y = groups_of(net)
    for k, n in enumerate((6, 2, 5, 6, 6)):
        expected = in_turn.gradient(F.cross_entropy(in_turn(x[k, :n]), y[6 * k : 6 * k + n]))
        torch.testing.assert_close(rows[k], expected, rtol=1e-5, atol=1e-7)
    left = dict(net.module.named_buffers())
    for key, expected in in_turn.module.named_buffers():
        torch.testing.assert_close(left[key], expected)
    x = torch.rand(4, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(net(x), in_turn(x))


def test_a_network_that_was_seen_to_draw_goes_in_turn():
    threads = []

    def sample_loss(logits, part):
        threads.append(threading.get_ident())
        return logits.sum(1)

    net = Network(Drawing(), CPU, workers=Workers(3))
    net.group_gradients(net.one_group(torch.rand(6, 3, 3)), sample_loss, net.grad[None])
    rows = torch.empty(20, net.size)
    torch.manual_seed(5)
    net.group_gradients(net.groups(torch.rand(20, 6, 3, 3), [6] * 20), sample_loss, rows)
    assert set(threads) == {threading.get_ident()}
    torch.manual_seed(5)
    x = torch.rand(20, 6, 3, 3)
    for k in range(20):
        assert torch.equal(net.gradient(net(x[k]).sum(1).mean()), rows[k])


def test_the_networks_own_gradient_is_left_alone():
    net = made("norms", threads=2)
    g = net.gradient(net(torch.rand(4, 3, 3)).sum()).clone()
    groups_of(net)
    assert torch.equal(net.grad, g)
    assert net.parameters[0].grad.data_ptr() == net.grad.data_ptr()


def test_two_passes_are_under_way_at_once_each_with_its_own_norms():
    module, both, seen = Normed(), threading.Barrier(2), []

    def work(own, piece):
        own(torch.rand(4, 3, 3))
        both.wait()  # passed only if two threads wait at it
        seen.append(own)

    side_by_side(module, Workers(2), work, range(2))
    first, second = seen
    assert first is not second
    assert module not in seen
    assert first.head.weight is second.head.weight is module.head.weight
    assert not torch.equal(first.norm.running_mean, second.norm.running_mean)
    assert module.norm.num_batches_tracked == 2
    assert module.norm.momentum == 0.1


def test_a_module_is_copied_once_for_every_thread():
    seen = []
    side_by_side(Normed(), Workers(1), lambda own, piece: seen.append(own), range(4))
    assert len(set(map(id, seen))) == 1


@pytest.mark.parametrize("name", ["counting", "norms", "no norm"])
def test_what_may_go_side_by_side(name):
    assert able(MODULES[name]()) == (name != "counting")


def test_an_error_of_a_pass_is_raised():
    def work(own, piece):
        raise ValueError("of a pass")

    with pytest.raises(ValueError, match="of a pass"):
        side_by_side(Normed(), Workers(2), work, range(4))
