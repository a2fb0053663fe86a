import pytest
import torch
import torch.nn.functional as F
from conftest import STREAM
from one_method import begin, learn_tasks, small_run

from cl_bench.config.schema import check
from cl_bench.memory.ring import Ring
from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.methods.gem import GEM
from cl_bench.models.mlp import MLP
from cl_bench.network.per_group import Gradients
from cl_bench.network.theta import Network
from cl_bench.rng import drawing_from
from cl_bench.streams.permutations import Permutations
from cl_bench.streams.scenario import Scenario

CPU = torch.device("cpu")


def seeded(cls, settings, stream):
    with drawing_from(torch.Generator().manual_seed(0)):
        return cls(settings, stream.input_shape, stream.classes)


def build(data, cls=GEM, **changes):
    """A method on three permutations of the tiny dataset, and the stream."""
    stream = Permutations(check(STREAM, Permutations.Settings), data, 0, CPU)
    ring = {"name": "ring", "size": 24, "tasks": "known", "authors_cursor": False}
    model = check({"name": "mlp", "hidden": [6], "init": "xavier"}, MLP.Settings)
    context = Context(
        model=model,
        build_network=lambda: Network(seeded(MLP, model, stream), CPU),
        scenario=Scenario(stream, CPU),
        memory=Ring(check(ring, Ring.Settings), 3, stream.input_shape, CPU),
        generator=torch.Generator().manual_seed(0),
        device=CPU,
        tasks=3,
        stays=3,
        data=stream.first_pass,
        up_to=lambda task: stream.tasks[: task.index + 1],
        inputs=stream.inputs,
        unlabelled=None,
        validation=stream.validation_batches,
        epochs=1,
    )
    settings = {"name": "gem", "lr": 0.1, "margin": 0.5, "margin_rule": "bound", "eps": 1e-3}
    if cls is Method:
        return cls(check({"name": "single", "lr": 0.1}, MethodSettings), context), stream
    return cls(check({**settings, **changes}, GEM.Settings), context), stream


def learn(method, stream, tasks=3):
    for task in stream.tasks[:tasks]:
        method.scenario.begin_task(task)
        method.begin_task(task)
        for x, y in stream.train_batches(task):
            method.observe(x, y, task)
        method.end_task(task)


def project(method, g, G):
    method.project(Gradients(g[None]), Gradients(G), range(len(G)))


def test_one_violated_constraint_has_a_closed_form(tiny):
    method, _ = build(tiny)
    g = torch.randn(method.net.size)
    past = -g + 0.1 * torch.randn_like(g)
    v = max(0.5, -(g @ past).item() / ((past @ past).item() + 1e-3))
    expected = g + v * past
    project(method, g, past[None])
    torch.testing.assert_close(g, expected, rtol=1e-5, atol=1e-6)


def test_added_margin_follows_the_papers_text(tiny):
    method, _ = build(tiny, margin_rule="added")
    g = torch.randn(method.net.size)
    past = -0.5 * g
    v = -(g @ past).item() / ((past @ past).item() + 1e-3)
    expected = g + (v + 0.5) * past
    project(method, g, past[None])
    torch.testing.assert_close(g, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_no_violation_leaves_the_gradient_bit_for_bit(tiny, scale):
    method, _ = build(tiny)
    g = torch.randn(method.net.size)
    before = g.clone()
    project(method, g, scale * g[None])  # an inner product of exactly zero is no violation
    assert torch.equal(g, before)
    assert method.count["violated_steps"] == 0


def test_constraints_hold_after_a_projection(tiny):
    method, _ = build(tiny, margin=0.0)
    torch.manual_seed(1)
    g, G = torch.randn(method.net.size), torch.randn(3, method.net.size)
    G[0] = -g
    project(method, g, G)
    assert (G @ g >= -1e-3).all()
    assert method.count["violated_steps"] == 1


def test_the_first_task_is_plain_sgd_bit_for_bit(tiny):
    gem, stream = build(tiny)
    single, _ = build(tiny, Method)
    for method in (gem, single):
        learn(method, stream, tasks=1)
    assert torch.equal(gem.net.theta, single.net.theta)


def test_rows_of_G_are_the_memories_gradients(tiny):
    method, stream = build(tiny)
    learn(method, stream)
    G = method.past_gradients([0, 1]).formed().clone()
    x, y, counts = method.memory.blocks([0, 1])
    assert counts == [8, 8]
    for k in range(2):
        expected = method.gradient(x[k], y[k], stream.tasks[k])
        torch.testing.assert_close(G[k], expected, rtol=1e-4, atol=1e-6)


def test_diagnostics_count_violations_per_past_task(tiny):
    method, stream = build(tiny)
    learn(method, stream)
    found = method.diagnostics()
    assert found["steps"] == 8  # four batches in each of the two later tasks
    assert 0 < found["violated_steps"] <= 8
    assert sum(found["violations_per_past_task"]) >= found["violated_steps"]
    assert found["violations_per_past_task"][2] == 0
    assert found["fallbacks"] == found["unsolved"] == 0


def test_a_singular_program_is_counted_and_survived(tiny):
    method, _ = build(tiny, eps=0.0, margin=0.0)
    g = torch.ones(method.net.size)
    zero = torch.zeros_like(g)  # no curvature in its direction: not positive definite
    project(method, g, torch.stack([-g, zero]))
    assert method.count["fallbacks"] == 1
    assert (g.abs() < 1e-5).all()


def test_state_continues_bit_for_bit(tiny):
    whole, stream = build(tiny)
    learn(whole, stream)
    first, _ = build(tiny)
    learn(first, stream, tasks=2)
    second, _ = build(tiny)
    second.load_state_dict(first.state_dict())
    for task in stream.tasks[:2]:
        second.scenario.begin_task(task)
    for x, y in stream.train_batches(stream.tasks[2]):
        second.observe(x, y, stream.tasks[2])
    assert torch.equal(second.net.theta, whole.net.theta)
    assert second.diagnostics() == whole.diagnostics()


def test_a_task_that_returns_is_held_to_all_others_and_keeps_its_share():
    run = small_run("method=gem", "memory.size=40", "dataset.order=[0,1,2,0,3]")
    learn_tasks(run, 3)
    method, again = run.method, run.stream.stays[3]
    x, y = next(iter(run.stream.train_batches(again)))
    begin(run, again)
    seen, gradients = [], method.past_gradients
    method.past_gradients = lambda past: (seen.append(list(past)), gradients(past))[1]
    held = run.memory.counts.copy()
    method.observe(x, y, again)
    assert seen == [[1, 2]]
    assert run.memory.counts == held == [10, 10, 10]
    found = run.memory.at(torch.arange(10))  # the ring of the first task takes the batch
    assert set(found.task_ids.tolist()) == {0}
    assert torch.equal(found.x.flatten(1).sum(1).sort()[0], x.flatten(1).sum(1).sort()[0])
    x, y, _ = run.memory.blocks([1, 2])
    for row in range(2):
        losses = F.cross_entropy(method.net(x[row]), y[row])
        g = torch.cat([p.flatten() for p in torch.autograd.grad(losses, method.net.parameters)])
        found = method.past_gradients([1, 2]).formed()[row]
        torch.testing.assert_close(found, g, rtol=1e-4, atol=1e-6)


def test_divergence_by_a_margin_is_not_blamed_on_the_step(inline):
    few = ("dataset=digits_permutations", "dataset.tasks=3", "dataset.samples_per_task=60", "-q")
    code, _, error = inline(
        "method=gem", "method.margin=1e38", "memory.size=30", "plots=false", *few
    )
    assert code == 1
    assert error.endswith("after task 2; lower method.margin (now 1e+38)\n")
