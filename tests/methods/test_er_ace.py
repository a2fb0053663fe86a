from __future__ import annotations

import torch
import torch.nn.functional as F
from one_method import begin, learn_tasks, small_run

SPLIT = ("dataset=digits_split", "dataset.tasks=5", "dataset.scenario=class")


def test_the_batch_leaves_past_classes_alone_and_replay_does_not():
    run = small_run("method=er_ace", "memory.size=20", "method.replay=5", *SPLIT)
    learn_tasks(run, 1)
    method, task = run.method, run.stream.tasks[1]
    begin(run, task)
    x, y = next(iter(run.stream.train_batches(task)))
    theta, draw = method.net.theta.clone(), torch.Generator()
    draw.set_state(method.generator.get_state())
    old = method.memory.sample(5, draw)
    # seen so far: 0 and 1, this task's outputs are 2 and 3, the others do not count
    own = method.net(x)[:, 2:4]
    replayed = method.net(old.x)[:, :4]
    loss = F.cross_entropy(own, y - 2) + F.cross_entropy(replayed, old.y)
    g = method.net.gradient(loss).clone()
    method.observe(x, y, task)
    torch.testing.assert_close(method.net.theta, theta - method.settings.lr * g)


def test_the_first_task_is_plain_unless_told_otherwise():
    for first in ("plain", "masked"):
        run = small_run("method=er_ace", "memory.size=20", f"method.first_task={first}", *SPLIT)
        plain = small_run("method=single", f"method.lr={run.method.settings.lr}", *SPLIT)
        for each in (run, plain):
            learn_tasks(each, 1)
        assert torch.equal(run.method.net.theta, plain.method.net.theta) == (first == "plain")
