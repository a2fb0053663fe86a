"""Against autograd of the definition: each layer's own squared output norm, input by input."""

import pytest
import torch
from torch import nn

from cl_bench.network.hebbian import Hebbian
from cl_bench.network.theta import Network


def fully_connected():
    return nn.Sequential(nn.Flatten(), nn.Linear(32, 6), nn.ReLU(), nn.Linear(6, 4))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(3, 5, bias=False), nn.ReLU(), nn.Linear(5, 4),
    )  # fmt: skip


def layer_local(module, x, visible):
    """Σ_k |∂‖y‖²/∂θ| by autograd; a layer's input is a constant."""
    total = [torch.zeros_like(p) for p in module.parameters()]
    layers = list(module)
    last = max(i for i, layer in enumerate(layers) if isinstance(layer, nn.Linear))
    for sample in x.split(1):
        a, grads = sample, []
        for i, layer in enumerate(layers):
            z = layer(a.detach())
            if parameters := list(layer.parameters()):
                y = z * visible if i == last else z.relu()
                grads += torch.autograd.grad(y.square().sum(), parameters, retain_graph=True)
            a = z
        for part, g in zip(total, grads, strict=True):
            part += g.abs()
    return torch.cat([part.flatten() for part in total])


@pytest.mark.parametrize("make", [fully_connected, convolutional])
def test_it_is_the_gradient_of_every_layers_own_norm(make):
    torch.manual_seed(0)
    net = Network(make(), torch.device("cpu"))
    x = torch.rand(7, 2, 4, 4)
    visible = torch.tensor([True, True, False, True])
    got = torch.zeros(net.size)
    Hebbian(net).add(x[:4], visible, got)
    Hebbian(net).add(x[4:], visible, got)
    torch.testing.assert_close(got, layer_local(net.module, x, visible), rtol=1e-5, atol=1e-6)
    assert Hebbian(net).fits()


def test_the_hidden_layers_give_twice_the_product_of_activities():
    net = Network(fully_connected(), torch.device("cpu"))
    x = torch.rand(1, 2, 4, 4)
    got = torch.zeros(net.size)
    Hebbian(net).add(x, None, got)
    y = net.module[1](x.flatten(1)).relu()
    expected = 2 * y.t() @ x.flatten(1)
    torch.testing.assert_close(net.views(got)[0], expected)
    torch.testing.assert_close(net.views(got)[1], 2 * y[0])


def test_batchnorm_does_not_fit():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    assert not Hebbian(Network(module, torch.device("cpu"))).fits()
