import torch
from one_method import begin, learn_tasks, small_run


def test_importance_is_the_path_integral_of_the_tasks_own_gradient():
    run = small_run("method=si", "method.strength=0.5", "method.xi=0.01")
    learn_tasks(run, 1)
    method, task = run.method, run.stream.tasks[1]
    A, anchor = method.penalty.A.clone(), method.net.theta.clone()
    begin(run, task)
    omega = torch.zeros_like(anchor)
    for x, y in run.stream.train_batches(task):
        before = method.net.theta.clone()
        loss = torch.nn.functional.cross_entropy(method.net(x), y)
        grads = torch.autograd.grad(loss, method.net.parameters)
        g = torch.cat([part.flatten() for part in grads])
        method.observe(x, y, task)
        expected = before - method.settings.lr * (g + 2 * 0.5 * A * (before - anchor))
        torch.testing.assert_close(method.net.theta, expected, rtol=1e-4, atol=1e-6)
        omega -= g * (method.net.theta - before)
    method.end_task(task)
    A = A + omega / ((method.net.theta - anchor) ** 2 + 0.01)
    torch.testing.assert_close(method.penalty.A, A, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(method.penalty.B, A * method.net.theta, rtol=1e-4, atol=1e-6)


def test_the_path_sums_to_the_fall_of_the_loss():
    run = small_run("method=si", "method.lr=0.001", "dataset.batch_size=60", "dataset.epochs=60")
    method, task = run.method, run.stream.tasks[0]
    batches = list(run.stream.train_batches(task))
    begin(run, task)

    def loss():
        x, y = batches[0]
        return torch.nn.functional.cross_entropy(method.net(x), y).item()

    start = loss()
    for x, y in batches:
        method.observe(x, y, task)
    fall = start - loss()
    assert fall > 0.01
    assert abs(method.omega.sum().item() / fall - 1) < 0.01


def test_negative_importance_is_kept_or_not():
    for negative, expected in (("keep", [-2.0, 4.0]), ("zero", [0.0, 4.0])):
        run = small_run("method=si", "method.xi=0.5", f"method.negative={negative}")
        method, task = run.method, run.stream.tasks[0]
        begin(run, task)
        method.omega[:2] = torch.tensor([-1.0, 2.0])
        method.end_task(task)
        assert method.penalty.A[:2].tolist() == expected
        assert not method.penalty.A[2:].any()
