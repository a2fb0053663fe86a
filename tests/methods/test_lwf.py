from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from one_method import begin, learn_tasks, small_run


@pytest.mark.parametrize("scenario", ["task", "class"])
def test_old_outputs_are_held_on_the_new_data(scenario):
    run = small_run(
        "method=lwf", "dataset=digits_split", "dataset.tasks=5", f"dataset.scenario={scenario}",
        "method.strength=0.6",
    )  # fmt: skip
    learn_tasks(run, 1)
    method, task, net = run.method, run.stream.tasks[1], run.method.net
    old_theta = net.theta.clone()
    begin(run, task)
    batches = iter(run.stream.train_batches(task))
    method.observe(*next(batches), task)  # from here on the teacher is another network
    x, y = next(batches)
    theta = net.theta.clone()
    net.theta.copy_(old_theta)
    wanted = (net(x)[:, :2] / 2).softmax(1).detach()
    net.theta.copy_(theta)
    logits = net(x)
    seen = slice(2, 4) if scenario == "task" else slice(0, 4)
    loss = F.cross_entropy(logits[:, seen], y - seen.start)
    loss = loss + 0.6 * -(wanted * (logits[:, :2] / 2).log_softmax(1)).sum(1).mean()
    g = net.gradient(loss).clone()
    method.observe(x, y, task)
    torch.testing.assert_close(net.theta, theta - method.settings.lr * g)
