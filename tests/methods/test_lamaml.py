from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from one_method import begin, learn_tasks, small_run
from torch.func import functional_call


def meta_gradients(method, x, y, old):
    """dL/dθ and dL/dα of the mean meta loss by autograd, inner gradients detached (first order)."""
    net, module = method.net, method.net.module
    names = net.names
    theta = net.theta.clone().requires_grad_()
    alpha = method.alpha.clone().requires_grad_()

    def logits(vector, inputs):
        return functional_call(module, dict(zip(names, net.views(vector), strict=True)), (inputs,))

    fast, losses = theta, []
    meta_x, meta_y = torch.cat([old.x, x]), torch.cat([old.y, y])
    for i in range(len(y)):
        loss = F.cross_entropy(logits(fast, x[i : i + 1]), y[i : i + 1])
        (inner,) = torch.autograd.grad(loss, fast, retain_graph=True)
        fast = fast - alpha.relu() * inner.detach()
        losses.append(F.cross_entropy(logits(fast, meta_x), meta_y))
    return torch.autograd.grad(torch.stack(losses).mean(), [theta, alpha])


@pytest.mark.parametrize("method", ["lamaml", "sync", "cmaml"])
def test_the_update_is_that_of_autograd(method):
    run = small_run(
        f"method={method}", "memory.size=20", "method.replay=4", "method.glances=1",
        "dataset.batch_size=5", "method.clip=0.5", "method.alpha=0.2",
    )  # fmt: skip
    learn_tasks(run, 1)
    method, task = run.method, run.stream.tasks[1]
    begin(run, task)
    x, y = next(iter(run.stream.train_batches(task)))
    theta, alpha, draw = method.net.theta.clone(), method.alpha.clone(), torch.Generator()
    draw.set_state(method.generator.get_state())
    order = torch.randperm(len(y), generator=draw)
    old = method.memory.sample(4, draw)
    g, g_alpha = meta_gradients(method, x[order], y[order], old)
    method.observe(x, y, task)
    g, g_alpha = (v * (0.5 / (v.norm() + 1e-6)).clamp(max=1) for v in (g, g_alpha))
    s = method.settings
    if s.update != "fixed":
        alpha = alpha - s.lr * g_alpha
    theta = theta - (alpha.relu() * g if s.update == "modulated" else s.step * g)
    torch.testing.assert_close(method.alpha, alpha)
    torch.testing.assert_close(method.net.theta, theta, rtol=1e-4, atol=1e-6)


def test_samples_are_stored_once_however_often_they_are_looked_at():
    run = small_run("method=lamaml", "memory.size=100", "method.glances=3")
    learn_tasks(run, 1)
    assert len(run.method.memory) == 60
