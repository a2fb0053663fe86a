import numpy as np
import pytest
import torch
from one_method import begin, learn_tasks, small_run
from torch import nn

from cl_bench.errors import RunError, UsageError
from cl_bench.models.mlp import MLP
from cl_bench.run import learn


def mas(*overrides):
    return small_run("method=mas", *overrides)


def train_inputs(run, task):
    return torch.cat(list(run.stream.inputs(task, "train")))


def test_importance_of_a_linear_network():
    run = mas("model.hidden=[]")
    learn_tasks(run, 1)
    net, task = run.method.net, run.stream.tasks[0]
    weight, bias = net.module.layers[0].weight.detach(), net.module.layers[0].bias.detach()
    x = train_inputs(run, task).flatten(1)
    outputs = x @ weight.t() + bias
    expected = torch.stack([2 * torch.outer(f, a) for f, a in zip(outputs, x, strict=True)])
    got = net.views(run.method.importance(task))
    torch.testing.assert_close(got[0], expected.abs().mean(0), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(got[1], (2 * outputs).abs().mean(0))


def test_magnitude_of_a_batchs_sum_is_smaller_but_equal_for_single_inputs():
    run = mas("method.absolute=batch", "method.importance_batch=7")
    single = mas("method.absolute=batch", "method.importance_batch=1")
    exact = mas()
    task = run.stream.tasks[0]
    values = [each.method.importance(task) for each in (run, single, exact)]
    torch.testing.assert_close(values[1], values[2], rtol=1e-4, atol=1e-6)
    assert (values[0] <= values[2] + 1e-6).all()
    assert (values[0] < 0.9 * values[2] - 1e-3).any()
    x, net = train_inputs(run, task), run.method.net
    expected = torch.zeros(net.size)
    for part in x.split(7):
        grads = torch.autograd.grad(net(part).square().sum(), net.parameters)
        expected += torch.cat([g.flatten() for g in grads]).abs()
    torch.testing.assert_close(values[0], expected / len(x), rtol=1e-4, atol=1e-6)


def test_batches_are_cut_from_the_whole_set_whatever_the_blocks_it_comes_in(monkeypatch):
    choice = ("method.absolute=batch", "method.importance_batch=14")
    task = mas().stream.tasks[0]
    expected = mas(*choice).method.importance(task)
    monkeypatch.setattr("cl_bench.streams.base.EVALUATION_BATCH", 9)
    run = mas(*choice)
    assert max(map(len, run.stream.inputs(task, "train"))) == 9
    torch.testing.assert_close(run.method.importance(task), expected, rtol=1e-4, atol=1e-7)


def spied(*overrides):
    run, seen = mas(*overrides), []
    plain = run.method.importance

    def importance(task):
        seen.append((plain(task), run.method.net.theta.clone()))
        return seen[-1][0].clone()

    run.method.importance = importance
    learn_tasks(run, 3)
    return run.method, seen


def test_sum_draws_all_importance_to_the_latest_weights():
    method, seen = spied()
    A = seen[0][0] + seen[1][0] + seen[2][0]
    torch.testing.assert_close(method.penalty.A, A)
    anchor = seen[-1][1]
    theta, g = anchor + 0.3, torch.zeros_like(anchor)
    method.penalty.add_gradient(g, theta, 0.7)
    torch.testing.assert_close(g, 2 * 0.7 * A * (theta - anchor), rtol=1e-4, atol=1e-5)


def test_average_and_separate():
    method, seen = spied("method.accumulate=average", "method.alpha=0.25")
    A = 0.25 * (0.25 * seen[0][0] + 0.75 * seen[1][0]) + 0.75 * seen[2][0]
    torch.testing.assert_close(method.penalty.A, A)
    torch.testing.assert_close(method.penalty.B, A * seen[-1][1])
    method, seen = spied("method.accumulate=separate")
    torch.testing.assert_close(method.penalty.A, sum(omega for omega, _ in seen))
    torch.testing.assert_close(method.penalty.B, sum(omega * theta for omega, theta in seen))


def test_the_test_inputs_and_both_sets():
    runs = {data: mas(f"method.importance_data={data}") for data in ("train", "test", "both")}
    task = runs["train"].stream.tasks[1]
    omega = {data: run.method.importance(task) for data, run in runs.items()}
    x = torch.cat([x for x, _ in runs["test"].stream.test_batches(task)])
    total = torch.zeros_like(omega["test"])
    runs["test"].method.sensitivity.add([x], None, total)
    torch.testing.assert_close(omega["test"], total / len(x))
    n, m = len(task.train), len(x)
    mean = (n * omega["train"] + m * omega["test"]) / (n + m)
    torch.testing.assert_close(omega["both"], mean, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(omega["train"], omega["test"])


@pytest.mark.parametrize("scope", ["global", "local"])
def test_a_head_to_come_has_no_importance(scope):
    run = mas("dataset=digits_split", "dataset.tasks=5", f"method.scope={scope}")
    learn_tasks(run, 1)
    weight, bias = run.method.net.views(run.method.penalty.A)[-2:]
    assert (weight[:2].sum(1) > 0).all()
    assert not weight[2:].any()
    assert not bias[2:].any()


def test_momentum_is_that_of_sgd():
    run = mas("method.optimizer.momentum=0.9", "method.strength=0")
    method, task = run.method, run.stream.tasks[0]
    theta = method.net.theta.clone()
    reference = theta.clone()
    sgd = torch.optim.SGD([reference], lr=method.settings.lr, momentum=0.9)
    begin(run, task)
    for x, y in run.stream.train_batches(task):
        method.observe(x, y, task)
        moved = method.net.theta.clone()
        method.net.theta.copy_(reference)
        reference.grad = method.gradient(x, y, task).clone()
        sgd.step()
        method.net.theta.copy_(moved)
        torch.testing.assert_close(moved, reference)


def test_strength_zero_is_plain_sgd():
    run, single = mas("method.strength=0"), small_run("method=single", "method.lr=0.1")
    learn_tasks(run, 3)
    learn_tasks(single, 3)
    assert torch.equal(run.method.net.theta, single.method.net.theta)


def test_local_importance_of_a_network_with_batchnorm_is_refused(monkeypatch):
    plain = MLP.__init__

    def with_norm(self, *given):
        plain(self, *given)
        self.norm = nn.BatchNorm1d(3)

    monkeypatch.setattr(MLP, "__init__", with_norm)
    with pytest.raises(UsageError, match="scope=local cannot use model=mlp"):
        mas("method.scope=local")


def test_importance_online_is_the_mean_over_inputs_at_the_weights_of_their_moment():
    run = mas("method.importance_every=2", "method.absolute=batch", "method.importance_batch=5")
    method, net, task = run.method, run.method.net, run.stream.tasks[0]
    begin(run, task)
    total, count = torch.zeros(net.size), 0
    for number, (x, y) in enumerate(run.stream.train_batches(task), start=1):
        method.observe(x, y, task)
        if number % 2 == 0:
            for part in x.split(5):
                grads = torch.autograd.grad(net(part).square().sum(), net.parameters)
                total += torch.cat([g.flatten() for g in grads]).abs()
            count += len(x)
    learn.end_task(run, task)
    torch.testing.assert_close(method.penalty.A, total / count, rtol=1e-4, atol=1e-6)
    assert torch.equal(method.penalty.B, method.penalty.A * net.theta)
    assert (method.total, method.count, method.batches) == (None, 0, 0)


def test_importance_online_of_other_inputs_is_measured_on_all_of_them_each_time():
    run = mas("method.importance_every=3", "method.importance_data=test")
    method, task = run.method, run.stream.tasks[0]
    begin(run, task)
    seen = []
    for number, (x, y) in enumerate(run.stream.train_batches(task), start=1):
        method.observe(x, y, task)
        if number % 3 == 0:
            seen.append(mas("method.importance_data=test"))
            seen[-1].method.net.theta.copy_(method.net.theta)
    expected = sum(other.method.importance(task) for other in seen) / len(seen)
    torch.testing.assert_close(method.importance(task), expected, rtol=1e-4, atol=1e-7)


def test_a_task_with_fewer_batches_than_online_importance_waits_for_is_told():
    run = mas("method.importance_every=7")
    with pytest.raises(RunError, match=r"of 6 batches; lower method.importance_every"):
        learn_tasks(run, 1)


def test_inputs_of_a_file_are_shown_as_the_task_shows_its_own(tmp_path):
    run = mas("method.importance_data=test")
    np.savez(tmp_path / "in.npz", x=run.stream.data.test_images)
    other = mas(f"method.importance_data={tmp_path / 'in.npz'}")
    for task in run.stream.tasks[:2]:
        assert torch.equal(run.method.importance(task), other.method.importance(task))
    assert other.files.keys() == {"method.importance_data"}


def test_importance_of_some_classes_is_that_of_their_inputs_in_the_whole_set():
    split = ("dataset=digits_split", "dataset.tasks=5", "dataset.samples_per_task=null")
    run = mas(*split, "method.importance_classes=[4,5]", "method.importance_data=test")
    own = mas(*split, "method.importance_data=test")
    third = run.stream.tasks[2]
    assert torch.equal(run.method.importance(third), own.method.importance(third))
    first = run.stream.tasks[0]  # the same inputs, and its own outputs
    x = torch.cat([x for x, _ in run.stream.test_batches(third)])
    total = torch.zeros(run.method.net.size)
    run.method.sensitivity.add([x], run.scenario.visible(0), total)
    torch.testing.assert_close(run.method.importance(first), total / len(x))
