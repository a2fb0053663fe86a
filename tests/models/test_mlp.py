"""How a fully connected network begins."""

import pytest
import torch

from cl_bench.models.mlp import MLP
from cl_bench.rng import drawing_from, generator


def network(init):
    settings = MLP.Settings(name="mlp", hidden=[400, 300], init=init)
    with drawing_from(generator(0, "init")):
        return MLP(settings, (28, 28), 10)


@pytest.mark.parametrize(
    ("init", "deviation", "largest", "bias"),
    [
        # of a uniform distribution the deviation is the bound over √3
        ("xavier", lambda i, o: (2 / (i + o)) ** 0.5, lambda i, o: (6 / (i + o)) ** 0.5, 0),
        ("truncated", lambda i, o: 0.088, lambda i, o: 0.2, 0.1),
        ("torch", lambda i, o: (3 * i) ** -0.5, lambda i, o: i**-0.5, None),
        ("kaiming", lambda i, o: (2 / i) ** 0.5, None, 0),
    ],
)
def test_weights_and_biases_have_their_scale(init, deviation, largest, bias):
    for layer in network(init).layers:
        sizes = layer.in_features, layer.out_features
        assert layer.weight.std().item() == pytest.approx(deviation(*sizes), rel=0.05)
        if largest is not None:
            assert layer.weight.abs().max() <= largest(*sizes)
            assert layer.weight.abs().max() > 0.95 * largest(*sizes)
        if bias is None:
            assert 0 < layer.bias.abs().max() <= layer.in_features**-0.5
        else:
            assert torch.equal(layer.bias, torch.full_like(layer.bias, bias))
