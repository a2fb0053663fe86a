import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cl_bench.network.linear_stack import LinearStack
from cl_bench.network.theta import Network


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().flatten(1))


class Stack(LinearStack):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(16, 7), nn.Linear(7, 6), nn.Linear(6, 5)])


def linear():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 7), nn.ReLU(), nn.Linear(7, 6, bias=False), nn.Linear(6, 5)
    )


def cross_entropy(logits, y):
    return F.cross_entropy(logits, y, reduction="none")


def squared_norm(logits, y):
    return logits.square().sum(1)


@pytest.mark.parametrize("make", [Stack, linear, Convolutional])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("loss", [cross_entropy, squared_norm])
def test_it_is_the_mean_over_single_samples(make, order, loss, monkeypatch):
    torch.manual_seed(0)
    net = Network(make().eval(), torch.device("cpu"))
    monkeypatch.setattr("cl_bench.network.theta.LAYERWISE_CHUNK", 4)
    monkeypatch.setattr("cl_bench.network.theta.GRADIENT_CHUNK", 4 * net.size)
    x, y = torch.randn(11, 1, 4, 4), torch.arange(11) % 5
    rows = []
    for i in range(11):
        grads = torch.autograd.grad(loss(net(x[i : i + 1]), y[i : i + 1]).sum(), net.parameters)
        rows.append(torch.cat([g.flatten() for g in grads]).abs() ** order)
    got = (net.mean_absolute_gradient if order == 1 else net.mean_squared_gradient)(x, y, loss)
    torch.testing.assert_close(got, torch.stack(rows).mean(0), rtol=1e-4, atol=1e-7)
    assert all(p.requires_grad for p in net.parameters)


def test_no_more_sample_gradients_are_held_than_a_chunk_has_numbers(monkeypatch):
    net, sizes = Network(Convolutional().eval(), torch.device("cpu")), []
    monkeypatch.setattr("cl_bench.network.theta.GRADIENT_CHUNK", 3 * net.size + 1)
    plain = net._sample_gradients
    monkeypatch.setattr(
        net, "_sample_gradients", lambda x, *a: sizes.append(len(x)) or plain(x, *a)
    )
    net.mean_absolute_gradient(torch.randn(8, 1, 4, 4), torch.arange(8) % 5, cross_entropy)
    assert sizes == [3, 3, 2]
