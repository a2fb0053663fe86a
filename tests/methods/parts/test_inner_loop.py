"""Chains of one-sample steps: the compiled one against autograd, and the limits of both."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor, nn

from cl_bench.errors import UsageError
from cl_bench.memory.reservoir import Reservoir
from cl_bench.methods.parts.inner_loop import CompiledInnerLoop, InnerLoop, Rule, make_inner_loop
from cl_bench.models.mlp import MLP
from cl_bench.network.theta import Network
from cl_bench.rng import drawing_from

CPU = torch.device("cpu")
TASKS, PIXELS, CLASSES, HELD = 3, 40, 6, 50
PLAIN = Rule(lr=0.1, scale=1.0, clip=None, within=1.0, across=1.0)


class Masks:
    """A scenario of given masks (T, C); None: every output counts."""

    numbers = False

    def __init__(self, visible: Tensor | None) -> None:
        self._visible = visible

    def visible(self, tasks: Tensor) -> Tensor | None:
        return None if self._visible is None else self._visible[tasks]

    def loss(self, logits: Tensor, labels: Tensor, tasks: Tensor) -> Tensor:
        visible = self.visible(tasks)
        if visible is not None:
            logits = logits.masked_fill(~visible, -torch.inf)
        return nn.functional.cross_entropy(logits, labels, reduction="none")


PAIRS = torch.eye(TASKS, dtype=torch.bool).repeat_interleave(CLASSES // TASKS, 1)


def network(hidden: tuple[int, ...] = (30, 20), seed: int = 0) -> Network:
    settings = MLP.Settings(name="mlp", hidden=list(hidden), init="xavier")
    with drawing_from(torch.Generator().manual_seed(seed)):
        return Network(MLP(settings, (PIXELS,), CLASSES), CPU)


def filled_memory() -> Reservoir:
    settings = Reservoir.Settings(name="reservoir", size=HELD, acceptance="textbook")
    memory = Reservoir(settings, TASKS, (PIXELS,), CPU)
    draw = torch.Generator().manual_seed(5)
    for task in range(TASKS):
        n = HELD // TASKS + 1
        x = torch.rand(n, PIXELS, generator=draw) * (torch.rand(n, PIXELS, generator=draw) < 0.3)
        y = 2 * task + torch.randint(2, (n,), generator=draw)
        memory.add(x, y, task, draw)
    return memory


def flat(net: Network) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters])


def run(chain: InnerLoop, memory: Reservoir, batches: int, steps: int, calls: int = 1) -> Tensor:
    """Parameters after ``calls`` chains with the current sample somewhere in each batch."""
    draw = torch.Generator().manual_seed(9)
    for call in range(calls):
        rows = memory.draw((batches, steps), draw)
        rows[:, call % steps] = -1
        task = call % TASKS
        x = torch.rand(1, PIXELS, generator=draw).relu()
        y = torch.tensor([2 * task + call % 2])
        chain.run(x, y, task, memory, rows)
    return flat(chain.net)


@pytest.mark.parametrize(
    ("hidden", "visible", "rule"),
    [
        ((), None, Rule(lr=0.05, scale=1.0, clip=None, within=0.3, across=1.0)),
        ((17,), PAIRS, Rule(lr=0.05, scale=1.0, clip=None, within=0.6, across=0.7)),
        ((30, 20), None, Rule(lr=0.05, scale=4.0, clip=0.5, within=1.0, across=0.2)),
        ((33, 16, 9), PAIRS, Rule(lr=0.05, scale=1.0, clip=None, within=0.6, across=0.3)),
    ],
)
def test_the_compiled_chain_is_the_generic_one_within_rounding(hidden, visible, rule):
    memory, results = filled_memory(), []
    for kernel in ("generic", "compiled"):
        net = network(hidden)
        chain, _ = make_inner_loop(net, Masks(visible), TASKS, rule, kernel)
        assert chain.kernel == kernel
        before = flat(net).clone()
        results.append(run(chain, memory, batches=4, steps=25, calls=10))  # 1,000 steps
    generic, compiled = results
    assert (generic - before).abs().max() > 1e-2
    torch.testing.assert_close(compiled, generic, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", ["generic", "compiled"])
@pytest.mark.parametrize("name", ["within", "across"])
def test_an_interpolation_weight_of_zero_leaves_the_weights_unchanged(kernel, name):
    net = network()
    rule = Rule(**{**vars(PLAIN), name: 0.0})
    chain, _ = make_inner_loop(net, Masks(None), TASKS, rule, kernel)
    before = flat(net).clone()
    assert torch.equal(run(chain, filled_memory(), 3, 5), before)


def test_without_interpolation_the_chain_is_sgd_on_one_sample_after_another():
    memory, net, expected = filled_memory(), network(), network()
    rows = memory.draw((1, 40), torch.Generator().manual_seed(1))
    rows[0, 0] = -1
    x, y = torch.rand(1, PIXELS), torch.tensor([1])
    InnerLoop(net, Masks(None), TASKS, PLAIN).run(x, y, 0, memory, rows)
    optimizer = torch.optim.SGD(expected.module.parameters(), lr=0.1)
    for row in rows[0].tolist():
        one_x, one_y = (x, y) if row < 0 else (memory.x[row][None], memory.y[row][None])
        optimizer.zero_grad()
        nn.functional.cross_entropy(expected.module(one_x), one_y).backward()
        optimizer.step()
    assert torch.equal(net.theta, flat(expected))


@pytest.mark.parametrize("kernel", ["generic", "compiled"])
def test_a_sample_counts_with_the_outputs_of_its_own_task(kernel):
    net, memory = network(hidden=()), filled_memory()
    chain, _ = make_inner_loop(net, Masks(PAIRS), TASKS, PLAIN, kernel)
    before = flat(net).clone()
    rows = (memory.task == 1).nonzero().flatten()[None, :5]
    chain.run(torch.rand(1, PIXELS), torch.tensor([5]), 2, memory, rows)
    changed = (flat(net) != before)[: PIXELS * CLASSES].view(CLASSES, PIXELS).any(1)
    assert changed.tolist() == [False, False, True, True, False, False]


def test_the_clipped_gradient_has_the_given_norm():
    for kernel in ("generic", "compiled"):
        net = network()
        rule = Rule(lr=1.0, scale=1.0, clip=0.25, within=1.0, across=1.0)
        chain, _ = make_inner_loop(net, Masks(None), TASKS, rule, kernel)
        before = flat(net).clone()
        chain.run(
            torch.rand(1, PIXELS), torch.tensor([1]), 0, filled_memory(), -torch.ones(1, 1).long()
        )
        assert float((flat(net) - before).norm()) == pytest.approx(0.25, rel=1e-3)


@pytest.mark.parametrize("batch", [False, True])
def test_batchnorm_statistics_are_interpolated_with_the_weights_but_for_batches(batch):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2)
            self.head = nn.Linear(2 * (PIXELS - 2), CLASSES)

        def forward(self, x):
            return self.head(self.norm(self.conv(x[:, None])).flatten(1))

    net = Network(Net(), CPU)
    rule = Rule(lr=0.1, scale=1.0, clip=None, within=0.0, across=1.0, batch=batch)
    chain, reason = make_inner_loop(net, Masks(None), TASKS, rule, "auto")
    assert type(chain) is InnerLoop
    assert ("one sample at a time" if batch else "mlp") in reason
    before = flat(net).clone()
    assert torch.equal(run(chain, filled_memory(), 2, 4), before)
    assert torch.equal(net.module.norm.running_mean, torch.zeros(2)) != batch


def test_divergence_stays_visible_in_the_compiled_chain():
    net = network()
    chain, _ = make_inner_loop(net, Masks(None), TASKS, PLAIN, "compiled")
    net.module.layers[1].bias.data[0] = torch.nan
    run(chain, filled_memory(), 1, 3)
    assert not torch.isfinite(net.theta).all()
    assert torch.isnan(net.module.layers[0].weight).any()


def test_the_layout_of_the_compiled_chain_leaves_the_network_what_it_was():
    net = network()
    x = torch.rand(7, PIXELS)
    before, theta = net(x), flat(net).clone()
    CompiledInnerLoop(net, Masks(None), TASKS, PLAIN)
    torch.testing.assert_close(net(x), before)
    assert torch.equal(flat(net), theta)
    assert all(
        p.data_ptr() == v.data_ptr()
        for p, v in zip(net.parameters, net.views(net.theta), strict=True)
    )


def test_without_numba_the_generic_chain_runs_and_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "cl_bench.methods.parts.inner_loop_numba", None)
    chain, reason = make_inner_loop(network(), Masks(None), TASKS, PLAIN, "auto")
    assert chain.kernel == "generic"
    assert "numba is not installed" in reason
    with pytest.raises(UsageError, match="numba is not installed"):
        make_inner_loop(network(), Masks(None), TASKS, PLAIN, "compiled")
