from __future__ import annotations

import torch
import torch.nn.functional as F
from one_method import begin, learn_tasks, small_run


def test_those_whose_loss_rises_most_are_replayed():
    run = small_run(
        "method=mir", "memory.size=30", "method.candidates=12", "method.replay=4", "method.lr=0.5"
    )
    learn_tasks(run, 1)
    method, task, net = run.method, run.stream.tasks[1], run.method.net
    begin(run, task)
    x, y = next(iter(run.stream.train_batches(task)))
    theta, draw = net.theta.clone(), torch.Generator()
    draw.set_state(method.generator.get_state())
    candidates = method.memory.sample_past(1, 12, draw)

    def losses():
        with torch.no_grad():
            return F.cross_entropy(net(candidates.x), candidates.y, reduction="none")

    g = net.gradient(F.cross_entropy(net(x), y)).clone()
    before = losses()
    net.theta.add_(g, alpha=-0.5)
    rise = losses() - before
    net.theta.copy_(theta)
    worst = rise.argsort(descending=True)[:4]
    replayed = F.cross_entropy(net(candidates.x[worst]), candidates.y[worst])
    g += net.gradient(replayed)
    method.observe(x, y, task)
    torch.testing.assert_close(net.theta, theta - 0.5 * g)


def test_the_first_task_is_plain_sgd():
    run = small_run("method=mir", "memory.size=30")
    plain = small_run("method=single", f"method.lr={run.method.settings.lr}")
    for each in (run, plain):
        learn_tasks(each, 1)
    assert torch.equal(run.method.net.theta, plain.method.net.theta)
