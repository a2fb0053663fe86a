"""The convolutional networks: sizes, initialisation, inputs that they take and refuse."""

import pytest
import torch

from cl_bench.config import registry, schema
from cl_bench.errors import UsageError
from cl_bench.models.lenet import normalised
from cl_bench.network.residual import BasicBlock
from cl_bench.network.theta import Network
from cl_bench.rng import drawing_from, generator

DEFAULTS = {
    "resnet18": {"width": 20},
    "lenet": {"convolutions": [20, 50], "hidden": [800, 500]},
    "small_cnn": {"convolutions": [160, 160, 160], "hidden": [320, 320]},
}


def build(name, shape=(3, 32, 32), classes=100, seed=0, **changes):
    cls = registry.find("model", name, torch.nn.Module)
    settings = schema.check({"name": name, **DEFAULTS[name], **changes}, cls.Settings)
    with drawing_from(generator(seed, "init")):
        return cls(settings, shape, classes)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_resnet18_has_the_published_size():
    assert parameters(build("resnet18")) == 1_109_240
    # one twentieth of the width and 5 outputs: a member of the baseline of independent networks
    assert parameters(build("resnet18", classes=5, width=1)) < 4000


def test_lenet_has_the_published_layers():
    model = build("lenet", classes=10)
    weights = [p.numel() for p in model.parameters() if p.dim() > 1]
    assert weights == [5 * 5 * 3 * 20, 5 * 5 * 20 * 50, 3200 * 800, 800 * 500, 500 * 10]


def test_small_cnn_has_the_published_layers():
    weights = [p.shape for p in build("small_cnn").parameters() if p.dim() > 1]
    assert [tuple(w) for w in weights[:3]] == [(160, 3, 3, 3), (160, 160, 3, 3), (160, 160, 3, 3)]
    assert [tuple(w) for w in weights[3:]] == [(320, 2560), (320, 320), (100, 320)]


@pytest.mark.parametrize("name", list(DEFAULTS))
@pytest.mark.parametrize("shape", [(3, 32, 32), (28, 28), (1, 28, 28)])
def test_images_keep_their_shape(name, shape):
    model = build(name, shape, classes=7)
    logits = model(torch.rand(4, *shape))
    assert logits.shape == (4, 7)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_initialisation_depends_on_the_generator_alone(name):
    torch.manual_seed(0)
    first = torch.cat([p.flatten() for p in build(name).parameters()])
    torch.manual_seed(1)
    again = torch.cat([p.flatten() for p in build(name).parameters()])
    other = torch.cat([p.flatten() for p in build(name, seed=1).parameters()])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.isfinite().all()


def test_resnet18_as_agem_authors_begin_it():
    usual, theirs = build("resnet18"), build("resnet18", init="agem_authors", epsilon=1e-3)
    for ours, other in zip(usual.modules(), theirs.modules(), strict=True):
        if isinstance(ours, torch.nn.Conv2d):  # ±1/√(k · channels) where ours has k · k
            side, channels = ours.kernel_size[0], ours.in_channels
            torch.testing.assert_close(other.weight, ours.weight * side**0.5)
            assert other.weight.abs().max() <= (side * channels) ** -0.5
        elif isinstance(ours, torch.nn.BatchNorm2d):
            assert (ours.eps, other.eps) == (1e-5, 1e-3)
        elif isinstance(ours, torch.nn.Linear):
            assert torch.equal(ours.weight, other.weight)


@pytest.mark.parametrize("side", [4, 5])
def test_a_stride_padded_after_looks_where_tensorflow_does(side):
    block = BasicBlock(1, 1, 2, pad_after=True)
    torch.nn.init.ones_(block.conv1.weight)
    found = []
    block.norm1.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0][0, 0]))
    x = torch.arange(1.0, side * side + 1).view(1, 1, side, side)
    assert block(x).shape[2:] == ((side + 1) // 2,) * 2
    # even sides: windows begin at 0 and 2 and end in a zero; odd ones have zeros on both sides
    starts = (0, 2) if side == 4 else (-1, 1, 3)
    rows = [slice(max(0, start), start + 3) for start in starts]
    expected = torch.tensor([[x[0, 0, r, c].sum() for c in rows] for r in rows])
    torch.testing.assert_close(found[0], expected)


def test_initial_scales():
    convolution = build("resnet18").blocks[5].conv2.weight
    bound = (convolution.shape[1] * 9) ** -0.5
    assert bound * 0.99 < convolution.abs().max() <= bound
    layer = build("lenet").layers[0].weight
    assert layer.std().item() == pytest.approx(3200**-0.5, rel=0.01)
    layer = build("small_cnn").layers[0].weight
    assert layer.std().item() == pytest.approx((2 / 2560) ** 0.5, rel=0.01)


def test_response_normalisation_divides_by_neighbouring_channels():
    x = torch.rand(1, 12, 1, 1) * 20
    found = normalised(x)
    squares = torch.stack([(x[0, max(0, c - 4) : c + 5] ** 2).sum() for c in range(12)])
    expected = x.flatten() / (1 + 0.001 / 9 * squares) ** 0.75
    assert torch.allclose(found.flatten(), expected, rtol=1e-5)


def test_response_normalisation_and_its_gradient_are_those_of_torch():
    x = (torch.rand(3, 20, 6, 5) * 20).requires_grad_()
    reference = torch.nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)
    assert torch.allclose(normalised(x), reference(x), rtol=1e-5)
    weight = torch.rand(3, 20, 6, 5)
    (ours,) = torch.autograd.grad((weight * normalised(x)).sum(), x)
    (theirs,) = torch.autograd.grad((weight * reference(x)).sum(), x)
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("resnet18", (8, 8), "at least 25x25"),
        ("resnet18", (40,), "choose model=mlp"),
        ("lenet", (3, 30, 32), "multiples of 4"),
        ("small_cnn", (64,), "choose model=mlp"),
    ],
)
def test_inputs_that_a_model_cannot_take(name, shape, words):
    with pytest.raises(UsageError, match=words) as caught:
        build(name, shape)
    assert "\n" not in str(caught.value)


def test_gradients_of_groups_are_those_of_each_group_alone():
    network = Network(build("resnet18", classes=5, width=2), torch.device("cpu"))
    x, y = torch.rand(2, 3, 3, 32, 32), torch.tensor([[0, 1, 2], [3, 4, 0]])

    def loss(logits, part):
        return torch.nn.functional.cross_entropy(logits, y.flatten()[part], reduction="none")

    groups = network.groups(x, [3, 2])
    rows = network.group_gradients(groups, loss, torch.empty(2, network.size)).formed()
    alone = network.gradient(loss(network(x[1, :2]), slice(3, 5)).mean())
    assert torch.allclose(rows[1], alone, atol=1e-6)
    assert not torch.allclose(rows[0], alone, atol=1e-3)
