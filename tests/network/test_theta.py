import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cl_bench.config.schema import check
from cl_bench.models.mlp import MLP
from cl_bench.network import per_group
from cl_bench.network.theta import Network, Passes
from cl_bench.network.workers import Workers
from cl_bench.rng import drawing_from

GENERATOR = torch.Generator()
CPU = torch.device("cpu")


def mlp(hidden=(5, 4), inputs=(3, 2), classes=3, seed=0):
    settings = check({"name": "mlp", "hidden": list(hidden), "init": "xavier"}, MLP.Settings)
    with drawing_from(torch.Generator().manual_seed(seed)):
        return MLP(settings, inputs, classes)


class WithBatchNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.norm(self.conv(x[:, None])).flatten(1))


class CalledBackwards(nn.Module):
    """Registers its layers in another order than it calls them in."""

    def __init__(self):
        super().__init__()
        self.last, self.first = nn.Linear(5, 3), nn.Linear(6, 5)

    def forward(self, x):
        return self.last(self.first(x.flatten(1)).relu())


MODULES = {
    "called backwards": (CalledBackwards, (3, 2)),
    "mlp": (mlp, (3, 2)),
    "one layer": (lambda: mlp(()), (3, 2)),
    "wide": (lambda: mlp((80,), (8, 8)), (8, 8)),
    "batchnorm": (WithBatchNorm, (3, 2)),
}


def test_gem_mlp_has_the_published_size():
    assert Network(mlp((100, 100), (28, 28), 10), CPU).size == 89_610


def test_initialisation_is_xavier_and_follows_the_generator():
    module = mlp((100,), (28, 28), 10)
    bound = (6 / 884) ** 0.5
    weight = module.layers[0].weight
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.99 * bound
    assert module.layers[0].bias.abs().max() == 0
    assert torch.equal(weight, mlp((100,), (28, 28), 10).layers[0].weight)
    assert not torch.equal(weight, mlp((100,), (28, 28), 10, seed=1).layers[0].weight)


def test_parameters_and_gradients_are_views_of_two_vectors():
    net = Network(mlp(), CPU)
    addresses = net.theta.data_ptr(), net.grad.data_ptr()
    x, y = torch.randn(4, 3, 2), torch.randint(0, 3, (4,))
    expected = torch.autograd.grad(F.cross_entropy(net(x), y), net.parameters)
    g = net.gradient(F.cross_entropy(net(x), y))
    assert torch.equal(g, torch.cat([part.flatten() for part in expected]))
    before = net.module.layers[0].weight.clone()
    net.theta.mul_(2)
    assert torch.equal(net.module.layers[0].weight, 2 * before)
    assert (net.theta.data_ptr(), net.grad.data_ptr()) == addresses


def test_gradient_forgets_the_last_one():
    net = Network(mlp(), CPU)
    x, y = torch.randn(4, 3, 2), torch.randint(0, 3, (4,))
    first = net.gradient(F.cross_entropy(net(x), y)).clone()
    assert torch.equal(net.gradient(F.cross_entropy(net(x), y)), first)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("counts", [[6, 6, 6], [6, 2, 5]])
def test_group_gradients_are_those_of_each_group_alone(name, counts):
    make, shape = MODULES[name]
    torch.manual_seed(0)
    net = Network(make(), CPU)
    x, y = torch.rand(3, 6, *shape), torch.randint(0, 3, (3, 6))
    out = torch.full((4, net.size), 7.0)
    labels = y.flatten()

    def sample_loss(logits, part):
        return F.cross_entropy(logits, labels[part], reduction="none")

    net.group_gradients(net.groups(x, counts), sample_loss, out[:3]).formed()
    for k, n in enumerate(counts):
        expected = net.gradient(F.cross_entropy(net(x[k, :n]), y[k, :n]))
        torch.testing.assert_close(out[k], expected, rtol=1e-4, atol=1e-6)
    assert (out[3] == 7).all()


@pytest.mark.parametrize("name", MODULES)
def test_passes_are_counted_on_every_path(name):
    make, shape = MODULES[name]
    net = Network(make().eval(), CPU)
    x, y = torch.rand(3, 6, *shape), torch.randint(0, 3, (3, 6))

    def loss(logits, labels):
        return F.cross_entropy(logits, labels, reduction="none")

    net.gradient(net(x[0]).sum() + net(x[1, :2]).sum())
    assert net.passes == Passes(forward=8, backward=8)
    out = torch.zeros(3, net.size)
    groups = net.groups(x, [6, 2, 5])
    net.group_gradients(groups, lambda logits, part: loss(logits, y.flatten()[part]), out)
    assert net.passes == Passes(forward=8 + 13, backward=8 + 13)  # padding is no sample
    net.mean_squared_gradient(x[0], y[0], loss)
    assert net.passes == Passes(forward=27, backward=27)
    with torch.no_grad():
        net(x[0])
    net.gradient(net(x[2]).sum())
    with torch.inference_mode():
        net(x[0])
    assert net.passes == Passes(forward=39, backward=33)


def test_the_gradients_by_hand_are_autograds():
    net = Network(mlp((80, 40), (8, 8)), CPU, workers=Workers(2))
    x, y = torch.rand(3, 50, 8, 8), torch.randint(0, 3, (150,))

    def sample_loss(logits, part):
        return F.cross_entropy(logits, y[part], reduction="none")

    found, alone = (torch.empty(3, net.size) for _ in range(2))
    net.group_gradients(net.groups(x, [50] * 3), sample_loss, found).formed()
    net.workers = Workers(1)
    net.group_gradients(net.groups(x, [50] * 3), sample_loss, alone).formed()
    assert torch.equal(found, alone)
    for k in range(3):
        expected = net.gradient(sample_loss(net(x[k]), slice(50 * k, 50 * k + 50)).mean())
        torch.testing.assert_close(found[k], expected, rtol=1e-5, atol=1e-7)


def test_the_agem_authors_initialisation():
    settings = MLP.Settings(name="mlp", hidden=[64], init="truncated")
    with drawing_from(torch.Generator().manual_seed(0)):
        model = MLP(settings, (28, 28), 10)
    weights = model.layers[0].weight
    assert weights.abs().max() <= 0.2
    assert 0.085 < weights.std() < 0.091  # 0.1 times what cutting off at two deviations leaves
    assert all((layer.bias == 0.1).all() for layer in model.layers)


class Dropping(nn.Module):
    """An off-the-shelf module: it draws from PyTorch's own random numbers."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.inner(x.flatten(1)))


def dropping(seed):
    draw = torch.Generator().manual_seed(seed)
    with drawing_from(draw):
        module = Dropping()
    return Network(module, torch.device("cpu"), outputs=3, generator=draw)


def test_any_module_is_initialised_and_drops_by_the_seed_alone():
    x, before = torch.rand(5, 4), torch.get_rng_state()
    one, same, other = dropping(1), dropping(1), dropping(2)
    torch.rand(3)  # what others draw in between
    assert torch.equal(one.theta, same.theta)
    assert not torch.equal(one.theta, other.theta)
    first = one(x)
    torch.rand(3)
    assert torch.equal(first, same(x))
    assert not torch.equal(one(x), first)
    same.load_state_dict(one.state_dict())
    assert torch.equal(one(x), same(x))
    torch.set_rng_state(before)
    expected = torch.rand(1)
    torch.set_rng_state(before)
    one(x)
    assert torch.equal(torch.rand(1), expected)  # the global numbers are as if nothing was drawn


def test_a_copy_is_frozen_and_counts_its_passes():
    net = dropping(1)
    x = torch.rand(5, 4)
    net(x)  # BatchNorm's statistics move
    teacher = net.copy()
    net.module.eval()
    expected = net(x).detach()
    net.module.train()
    net.gradient(net(x).square().sum())
    net.theta.add_(net.grad, alpha=-1.0)
    passes = net.passes.forward
    with torch.no_grad():
        assert torch.equal(teacher(x), expected)
    assert net.passes.forward == passes + 5
    assert not any(p.requires_grad for p in teacher.module.parameters())
    assert teacher.outputs == 3


def test_the_state_names_parameters_in_their_shapes():
    net = dropping(1)
    state = net.state_dict()
    assert {k: tuple(v.shape) for k, v in state["parameters"].items()} == {
        name: tuple(p.shape) for name, p in Dropping().named_parameters()
    }
    bare = Dropping()
    bare.load_state_dict({**state["parameters"], **state["buffers"]})
    net.module.eval()
    x = torch.rand(2, 4)
    assert torch.equal(bare.eval()(x), net(x))


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("samples", [2, 40])
@pytest.mark.parametrize("counts", [[50, 50, 50], [50, 7, 31]])
def test_inner_products_need_no_gradient_to_be_formed(name, samples, counts):
    """Of few samples and of many, which are told apart by what is less work."""
    make, shape = MODULES[name]
    torch.manual_seed(0)
    net = Network(make(), CPU, workers=Workers(2))
    x, y = torch.rand(3, 50, *shape), torch.randint(0, 3, (150,))
    labels = torch.randint(0, 3, (samples,))

    def past_loss(logits, part):
        return F.cross_entropy(logits, y[part], reduction="none")

    def loss(logits, part):
        return F.cross_entropy(logits, labels[part], reduction="none")

    rows, expected = torch.empty(3, net.size), torch.empty(3, net.size)
    past = net.group_gradients(net.groups(x, counts), past_loss, rows)
    one = net.group_gradients(net.one_group(torch.rand(samples, *shape)), loss, net.grad[None])
    found = past.inner(one)[:, 0]
    net.group_gradients(net.groups(x, counts), past_loss, expected).formed()
    torch.testing.assert_close(found, expected @ one.formed()[0], rtol=1e-4, atol=1e-6)
    assert torch.equal(past.formed(), expected)  # whatever was asked before


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("size", [1, 2, 40])
def test_cosines_of_groups_need_no_gradient_to_be_formed(name, size, monkeypatch):
    """Of a network that is no stack, and of groups that are too large for it, they are formed."""
    make, shape = MODULES[name]
    torch.manual_seed(0)
    net = Network(make(), CPU, workers=Workers(2))
    monkeypatch.setattr(per_group, "FEW", 2)  # both are of two pieces
    x, y = torch.rand(3, 2, *shape), torch.randint(0, 3, (6,))
    labels = torch.randint(0, 3, (5 * size,))
    counts = [size] * 4 + [max(1, size - 1)]

    def loss(logits, part):
        return F.cross_entropy(logits, y[part], reduction="none")

    def other_loss(logits, part):
        return F.cross_entropy(logits, labels[part], reduction="none")

    def gradients():
        groups = net.groups(torch.rand(5, size, *shape, generator=GENERATOR.manual_seed(1)), counts)
        rows = torch.zeros(5, net.size)
        others = net.group_gradients(groups, other_loss, rows)
        own = net.group_gradients(net.groups(x, [2] * 3), loss, torch.empty(3, net.size))
        return own, others, rows

    own, others, _ = gradients()
    expected = F.cosine_similarity(own.formed()[:, None], others.formed()[None], dim=2)
    own, others, rows = gradients()
    torch.testing.assert_close(own.cosines(others), expected, rtol=1e-4, atol=1e-5)
    if net.stack is None or size != 2:  # in between it is a matter of the widths
        assert bool(rows.any()) == (net.stack is None or size == 40)


def test_pieces_are_even_and_hold_every_group_once():
    for groups, size, expected in ((1, 9000, [1]), (19, 256, [9, 10]), (30, 256, [7, 8, 7, 8])):
        pieces = per_group._pieces(groups, size)
        assert [len(piece) for piece in pieces] == expected
        assert [k for piece in pieces for k in piece] == list(range(groups))


@pytest.mark.parametrize("rows", [10, 60, 2560])
def test_gradients_do_not_depend_on_the_pieces(rows, monkeypatch):
    monkeypatch.setattr(per_group, "ROWS", rows)
    torch.manual_seed(0)
    net = Network(mlp((80, 40), (8, 8)), CPU, workers=Workers(2))
    x, y, counts = torch.rand(5, 50, 8, 8), torch.randint(0, 3, (250,)), [50, 50, 9, 50, 31]

    def loss(logits, part):
        return F.cross_entropy(logits, y[part], reduction="none")

    one = net.group_gradients(net.one_group(x[0, :6]), loss, net.grad[None])
    past = net.group_gradients(net.groups(x, counts), loss, torch.empty(5, net.size))
    inner = past.inner(one)[:, 0]
    G, g = past.formed(), one.formed()[0].clone()
    torch.testing.assert_close(inner, G @ g, rtol=1e-4, atol=1e-6)
    for k, n in enumerate(counts):
        expected = net.gradient(F.cross_entropy(net(x[k, :n]), y[50 * k : 50 * k + n]))
        torch.testing.assert_close(G[k], expected, rtol=1e-4, atol=1e-6)


def test_inner_products_do_not_depend_on_the_threads():
    found = []
    for count in (1, 2, 3):
        torch.manual_seed(0)
        net = Network(mlp((80, 40), (8, 8)), CPU, workers=Workers(count))
        x, y = torch.rand(5, 50, 8, 8), torch.randint(0, 3, (250,))

        def loss(logits, part, y=y):
            return F.cross_entropy(logits, y[part], reduction="none")

        past = net.group_gradients(net.groups(x, [50] * 5), loss, torch.empty(5, net.size))
        one = net.group_gradients(net.one_group(x[0, :6]), loss, net.grad[None])
        found.append(torch.cat([past.inner(one)[:, 0], past.formed().flatten()]))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_copy_of_an_mlp_does_not_disturb_the_gradients_of_groups():
    net = Network(mlp(), CPU)
    x = torch.rand(2, 4, 3, 2, generator=torch.Generator().manual_seed(3))
    y = torch.zeros(8, dtype=torch.int64)

    def loss(logits, part):
        return torch.nn.functional.cross_entropy(logits, y[part], reduction="none")

    groups = net.groups(x, [4, 4])
    before = net.group_gradients(groups, loss, torch.empty(2, net.size)).formed()
    teacher = net.copy()
    with torch.no_grad():
        teacher(x[0])
    after = net.group_gradients(groups, loss, torch.empty(2, net.size)).formed()
    assert torch.equal(before, after)
