"""EWC++ against its definition, with autograd's own gradients."""

import pytest
import torch
from one_method import begin, learn_tasks, small_run

ALPHA, STRENGTH, LR = 0.75, 2.0, 0.05
CHOICE = (
    "method=ewcpp",
    f"method.alpha={ALPHA}",
    f"method.strength={STRENGTH}",
    f"method.lr={LR}",
    "method.every=4",  # 6 batches a task: one average, and two steps left over
)


def task_gradient(net, x, y):
    loss = torch.nn.functional.cross_entropy(net(x), y)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, net.parameters)])


@pytest.mark.parametrize("scaled", [True, False])
def test_fisher_is_the_moving_average_of_squared_gradients(scaled):
    run = small_run(*CHOICE, f"method.scaled={str(scaled).lower()}")
    method = run.method
    fisher, importance, anchor = 0.0, 0.0, 0.0
    for task in run.stream.tasks[:3]:
        begin(run, task)
        squares = []
        for x, y in run.stream.train_batches(task):
            before = method.net.theta.clone()
            g = task_gradient(method.net, x, y)
            method.observe(x, y, task)
            expected = before - LR * (g + 2 * STRENGTH * importance * (before - anchor))
            torch.testing.assert_close(method.net.theta, expected, rtol=1e-4, atol=1e-6)
            squares.append(g**2)
        method.end_task(task)
        fisher = (1 - ALPHA) * fisher + ALPHA * torch.stack(squares[:4]).mean(0)
        importance, anchor = fisher, method.net.theta.clone()
        if scaled:
            importance = (fisher - fisher.min()) / (fisher.max() - fisher.min())
        torch.testing.assert_close(method.penalty.A, importance, rtol=1e-4, atol=1e-8)
        torch.testing.assert_close(method.penalty.B, importance * anchor, rtol=1e-4, atol=1e-8)


def test_a_scaled_fisher_reaches_from_zero_to_one():
    run = small_run(*CHOICE)
    learn_tasks(run, 2)
    assert run.method.penalty.A.min() == 0
    assert run.method.penalty.A.max() == 1


def test_a_task_shorter_than_one_average_holds_nothing():
    run = small_run(*CHOICE, "method.every=100")
    learn_tasks(run, 2)
    assert not run.method.penalty.A.any()
