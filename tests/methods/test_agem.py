import pytest
import torch
from one_method import begin, learn_tasks, small_run

from cl_bench.errors import UsageError


@pytest.fixture
def method():
    run = small_run("method=agem", "memory.size=80", "method.reference=30")
    learn_tasks(run, 2)
    return run.method


def directions(size):
    draw = torch.Generator().manual_seed(0)
    return torch.randn(size, generator=draw), torch.randn(size, generator=draw)


def test_a_violating_gradient_becomes_orthogonal_to_the_reference(method):
    g, r = directions(method.net.size)
    g -= r * (g @ r + 5.0) / (r @ r)
    method.r.copy_(r)
    before, count = g.clone(), int(method.projections)
    method.project(g)
    assert (before @ r) < 0
    assert abs(g @ r) < 1e-4 * g.norm() * r.norm()
    # nothing but the component along r is taken away
    torch.testing.assert_close(before - g, (before @ r) / (r @ r) * r, rtol=1e-3, atol=1e-6)
    assert int(method.projections) == count + 1


@pytest.mark.parametrize("reference", ["aligned", "zero"])
def test_without_violation_the_gradient_is_bit_identical(method, reference):
    g, r = directions(method.net.size)
    g[0] = -0.0
    method.r.copy_(r * torch.sign(g @ r) if reference == "aligned" else 0 * r)
    before, count = g.clone(), int(method.projections)
    method.project(g)
    assert torch.equal(g.view(torch.int32), before.view(torch.int32))
    assert int(method.projections) == count


def test_reference_is_the_mean_gradient_of_the_past_memories_alone():
    run = small_run("method=agem", "memory.size=80", "method.reference=1000")
    learn_tasks(run, 3)
    method, memory = run.method, run.memory
    method.reference_gradient(memory.sample_past(2, 1000, method.generator))  # all that they hold
    x, y = memory.x[: 2 * memory.share], memory.y[: 2 * memory.share]
    loss = torch.nn.functional.cross_entropy(method.net(x), y)
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, method.net.parameters)])
    torch.testing.assert_close(method.r, expected, rtol=1e-4, atol=1e-7)


def test_the_first_task_is_plain_sgd_and_memory_is_written_after_the_update():
    run = small_run("method=agem", "memory.size=80")
    plain = small_run("method=single", "method.lr=0.1")
    learn_tasks(run, 1)
    learn_tasks(plain, 1)
    assert torch.equal(run.method.net.theta, plain.method.net.theta)
    assert run.method.diagnostics() == {"steps": 0, "projections": 0}

    task = run.stream.tasks[1]
    begin(run, task)
    seen = []
    add, step = run.memory.add, run.method.step
    run.memory.add = lambda *batch: seen.append("add") or add(*batch)
    run.method.step = lambda: seen.append("step") or step()
    run.method.observe(*next(run.stream.train_batches(task)), task)
    assert seen == ["step", "add"]


def test_a_memory_that_takes_each_class_once_is_refused():
    with pytest.raises(UsageError, match="memory=ring"):
        small_run("method=agem", "memory=exemplars")


def test_diagnostics_count_steps_and_projections(method):
    counted = method.diagnostics()
    assert counted["steps"] == 6
    assert 0 < counted["projections"] <= 6


def test_with_a_reservoir_the_reference_is_of_the_whole_memory():
    run = small_run("method=agem_r", "memory.size=20", "method.reference=5")
    task = run.stream.tasks[0]
    begin(run, task)
    for x, y in run.stream.train_batches(task):
        run.method.observe(x, y, task)
    assert run.method.steps == 5  # all of the first task but its first batch
