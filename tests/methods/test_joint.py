from __future__ import annotations

import torch
from one_method import learn_tasks, small_run


def test_nothing_is_learned_until_the_last_task_and_then_all_of_them():
    run = small_run("method=joint", "method.passes=30", "method.batch=16", "method.lr=0.3")
    initial = run.method.net.theta.clone()
    learn_tasks(run, 3)
    assert torch.equal(run.method.net.theta, initial)
    run = small_run("method=joint", "method.passes=30", "method.batch=16", "method.lr=0.3")
    learn_tasks(run, 4)
    right = []
    for task in run.stream.tasks:
        for x, y in run.stream.first_pass(task):
            right.append((run.method.net(x).argmax(1) == y).float().mean())
    assert min(right) > 0.8  # of every task's training samples
