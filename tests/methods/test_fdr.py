from __future__ import annotations

import torch
import torch.nn.functional as F
from one_method import begin, learn_tasks, small_run


def test_two_steps_and_a_memory_that_is_filled_at_the_end_of_a_task():
    run = small_run("method=fdr", "memory.size=20", "method.alpha=0.8", "method.replay=6")
    learn_tasks(run, 2)
    method, net, memory = run.method, run.method.net, run.method.memory
    held = memory.at(memory.rows())
    assert held.task_ids.bincount().tolist() == [10, 10]
    newest = held.task_ids == 1
    torch.testing.assert_close(held.logits[newest], net(held.x[newest]).detach())
    task = run.stream.tasks[2]
    begin(run, task)
    x, y = next(iter(run.stream.train_batches(task)))
    theta, draw = net.theta.clone(), torch.Generator()
    draw.set_state(method.generator.get_state())
    method.observe(x, y, task)
    after = net.theta.clone()
    lr = method.settings.lr
    net.theta.copy_(theta)
    theta = theta - lr * net.gradient(F.cross_entropy(net(x), y))
    old = memory.sample(6, draw)
    net.theta.copy_(theta)
    moved = net(old.x).softmax(1) - old.logits.softmax(1)
    g = net.gradient(0.8 * moved.square().sum(1).sqrt().mean())
    torch.testing.assert_close(after, theta - lr * g)
