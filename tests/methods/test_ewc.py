import pytest
import torch
from one_method import begin, learn_tasks, small_run

from cl_bench.methods.parts.quadratic import QuadraticPenalty


def random_terms(count, size=50):
    draw = torch.Generator().manual_seed(3)
    return [
        (torch.rand(size, generator=draw), torch.randn(size, generator=draw)) for _ in range(count)
    ]


@pytest.mark.parametrize("tasks", [1, 3, 7])
def test_penalty_gradient_is_that_of_the_sum_over_tasks(tasks):
    terms, strength = random_terms(tasks), 1.7
    penalty = QuadraticPenalty(50, torch.device("cpu"))
    for importance, anchor in terms:
        penalty.add(importance, anchor)
    theta = torch.linspace(-2, 2, 50, requires_grad=True)
    value = sum(strength * (F * (theta - anchor) ** 2).sum() for F, anchor in terms)
    value.backward()
    g = torch.ones(50)
    penalty.add_gradient(g, theta.detach(), strength)
    torch.testing.assert_close(g, 1 + theta.grad, rtol=1e-5, atol=1e-5)


def test_penalty_of_one_task_does_not_pull_at_its_anchor():
    ((importance, anchor),) = random_terms(1)
    penalty = QuadraticPenalty(50, torch.device("cpu"))
    penalty.add(importance, anchor)
    g = torch.linspace(0, 1, 50)
    before = g.clone()
    penalty.add_gradient(g, anchor, 1e6)
    assert torch.equal(g, before)


def test_moving_penalty_decays_and_keeps_the_latest_anchor():
    penalty = QuadraticPenalty(2, torch.device("cpu"))
    penalty.move(torch.tensor([4.0, 0.0]), torch.tensor([9.0, 9.0]), decay=0.5)
    penalty.move(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0]), decay=0.5)
    # F = 0.5 * (4, 0) + (1, 2) = (3, 2), anchor (3, -1)
    g = torch.zeros(2)
    penalty.add_gradient(g, torch.tensor([5.0, 0.0]), strength=0.5)
    assert g.tolist() == [3.0 * 2, 2.0 * 1]


def buffered_task(fisher, *overrides):
    """A run after one task's batches, before its end, with the samples of the Fisher."""
    run = small_run("method=ewc", f"method.fisher={fisher}", "method.fisher_samples=25", *overrides)
    task = run.stream.tasks[0]
    begin(run, task)
    batches = list(run.stream.train_batches(task))
    for x, y in batches:
        run.method.observe(x, y, task)
    x = torch.cat([x for x, _ in batches])[:25]
    y = torch.cat([y for _, y in batches])[:25]
    return run.method, task, x, y


def test_the_samples_of_the_fisher_are_the_first_of_the_first_pass():
    run = small_run("method=ewc", "method.fisher_samples=100", "dataset.epochs=3")
    task = run.stream.tasks[0]
    begin(run, task)
    seen = list(run.stream.train_batches(task))
    x, y = run.method.first_samples(task, 100)
    assert len(y) == len(task.train) == 60  # a second pass does not count samples twice
    assert torch.equal(x, torch.cat([x for x, _ in seen])[:60])
    x, y = run.method.first_samples(task, 7)
    assert torch.equal(y, seen[0][1][:7])


def autograd_gradient(net, x, y):
    loss = torch.nn.functional.cross_entropy(net(x), y)
    grads = torch.autograd.grad(loss, net.parameters)
    return torch.cat([g.flatten() for g in grads])


def test_batch_fisher_is_the_square_of_one_mean_gradient_of_the_first_samples():
    method, task, x, y = buffered_task("batch")
    expected = autograd_gradient(method.net, x, y) ** 2
    method.end_task(task)
    torch.testing.assert_close(method.penalty.A, expected, rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(method.penalty.B, expected * method.net.theta)


def test_empirical_fisher_is_the_mean_of_squared_gradients():
    method, task, x, y = buffered_task("empirical")
    rows = [autograd_gradient(method.net, x[i : i + 1], y[i : i + 1]) for i in range(len(y))]
    method.end_task(task)
    expected = torch.stack(rows).square().mean(0)
    torch.testing.assert_close(method.penalty.A, expected, rtol=1e-4, atol=1e-9)
    assert method.net.module.training


def test_online_fisher_of_two_tasks():
    run = small_run("method=ewc", "method.online=true", "method.decay=0.5")
    fishers = []
    plain = run.method.fisher
    run.method.fisher = lambda *given: fishers.append(plain(*given)) or fishers[-1]
    learn_tasks(run, 2)
    expected = 0.5 * fishers[0] + fishers[1]
    torch.testing.assert_close(run.method.penalty.A, expected)
    torch.testing.assert_close(run.method.penalty.B, expected * run.method.net.theta)


def test_without_strength_it_is_plain_sgd_and_with_it_weights_move_less():
    def final(*overrides):
        run = small_run("seed=1", *overrides)
        start = run.method.net.theta.clone()
        learn_tasks(run, 3)
        return run.method.net.theta, start

    single, _ = final("method=single", "method.lr=0.1")
    free, start = final("method=ewc", "method.lr=0.1", "method.strength=0")
    held, _ = final("method=ewc", "method.lr=0.1", "method.strength=100")
    assert torch.equal(single, free)
    assert (held - start).norm() < (free - start).norm()


def per_sample(method, x, labels):
    """Each sample's gradient of the loss of the label given, (n, P), one at a time."""
    return torch.stack(
        [autograd_gradient(method.net, x[i : i + 1], labels[i : i + 1]) for i in range(len(labels))]
    )


def test_the_weighted_fisher_is_by_the_probability_of_the_label():
    method, task, x, y = buffered_task("weighted")
    p = method.net(x).softmax(1).gather(1, y[:, None]).detach()
    expected = (p * per_sample(method, x, y) ** 2).mean(0)
    torch.testing.assert_close(method.fisher(x, y, task.index), expected)


def test_the_exact_fisher_is_over_all_classes():
    method, task, x, y = buffered_task("exact")
    p = method.net(x).softmax(1).detach()
    expected = sum(
        (p[:, c : c + 1] * per_sample(method, x, torch.full_like(y, c)) ** 2).mean(0)
        for c in range(10)
    )
    torch.testing.assert_close(method.fisher(x, y, task.index), expected)
