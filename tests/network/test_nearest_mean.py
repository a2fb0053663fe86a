import math

import pytest
import torch
from one_method import small_run
from torch import nn

from cl_bench.network.nearest_mean import NearestMean
from cl_bench.network.theta import Network


def plane(decay=0.75):
    """Two numbers are their own embedding; three classes, a scale of 2."""
    module = nn.Linear(2, 2, bias=False)
    module.weight.data = torch.eye(2)
    return NearestMean(module, classes=3, size=2, scale=2.0, decay=decay)


def test_means_are_those_of_normalised_embeddings_and_run_along():
    net = plane()
    x = torch.tensor([[3.0, 0.0], [0.0, 5.0], [7.0, 0.0]])
    net.move_means(x, torch.tensor([0, 0, 2]))
    # (1, 0) and (0, 1) have the mean (.5, .5); class 1 has not been seen
    assert net.means.tolist() == [[0.5, 0.5], [0.0, 0.0], [1.0, 0.0]]
    net.move_means(x[1:2], torch.tensor([2]))
    # .75 (1, 0) + .25 (0, 1)
    assert net.means.tolist() == [[0.5, 0.5], [0.0, 0.0], [0.75, 0.25]]


def test_logits_are_scaled_cosines_and_a_class_without_a_mean_is_far_away():
    net = plane()
    net.move_means(torch.tensor([[1.0, 1.0], [0.0, 4.0]]), torch.tensor([0, 2]))
    found = net(torch.tensor([[9.0, 0.0], [0.0, 0.1]]))
    half = math.sqrt(0.5)
    torch.testing.assert_close(found, 2 * torch.tensor([[half, -1, 0], [half, -1, 1]]))
    assert plane()(torch.ones(1, 2)).tolist() == [[-2.0, -2.0, -2.0]]


def test_no_gradient_goes_through_the_means_and_none_but_the_embedding_has_parameters():
    net = plane()
    assert [name for name, _ in net.named_parameters()] == ["embedding.weight"]
    net.move_means(net.embedding(torch.ones(1, 2)), torch.tensor([1]))
    assert not net.means.requires_grad


def test_the_function_of_a_network_is_its_embedding_on_the_same_parameters():
    net = Network(plane(), torch.device("cpu"))
    x, y = torch.tensor([[3.0, 4.0]]), torch.tensor([1])
    function = net.function()
    net.theta.mul_(2)
    assert function(x).tolist() == [[6.0, 8.0]]
    g = function.gradient(function(x).square().sum())
    assert g is net.grad  # ∂‖Wx‖² / ∂W = 2 W x xᵀ
    torch.testing.assert_close(g.view(2, 2), 2 * torch.tensor([[18.0, 24.0], [24.0, 32.0]]))
    net.meet(x, y)
    torch.testing.assert_close(net.module.means[1], torch.tensor([0.6, 0.8]))
    other = Network(nn.Linear(2, 2), torch.device("cpu"))
    assert other.function() is other


@pytest.mark.parametrize("scope", ["global", "local"])
def test_mas_holds_the_embedding_before_it_is_normalised(scope):
    run = small_run(
        "method=mas", "model=embedding", "model.hidden=[]", "model.size=3", f"method.scope={scope}"
    )
    net, task = run.method.net, run.stream.tasks[0]
    layer = net.module.embedding.layers[0]
    x = torch.cat(list(run.stream.inputs(task, "train"))).flatten(1)
    f = layer(x).detach()
    expected = torch.stack([2 * torch.outer(z, a) for z, a in zip(f, x, strict=True)])
    weight, bias = net.views(run.method.importance(task))
    torch.testing.assert_close(weight, expected.abs().mean(0), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(bias, (2 * f).abs().mean(0))
