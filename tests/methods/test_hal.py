from __future__ import annotations

import torch
import torch.nn.functional as F
from one_method import begin, learn_tasks, observe, small_run

OPTIONS = ("method=hal", "memory.size=20", "method.replay=6", "method.anchor_steps=5")
SPLIT = ("dataset=digits_split", "dataset.tasks=5", "dataset.scenario=class")


def before_the_anchors(*options):
    """The method with the first task learned but not ended, the task, its labels, and a generator
    in the state of the method's."""
    run = small_run(*OPTIONS, *options)
    task = run.stream.tasks[0]
    begin(run, task)
    observe(run, task)
    draw = torch.Generator()
    draw.set_state(run.method.generator.get_state())
    return run.method, task, run.stream.train.labels[task.train].unique(), draw


def test_anchors_are_one_for_each_class_of_each_past_task():
    run = small_run(*OPTIONS, *SPLIT)
    learn_tasks(run, 2)
    assert run.method.anchors.shape == (4, 8, 8)
    assert run.method.anchors.isfinite().all()


def test_an_anchor_moves_to_where_its_class_is_forgotten():
    method, task, labels, draw = before_the_anchors("method.gamma=0", "method.lr=0.2")
    net, theta = method.net, method.net.theta.clone()
    start = torch.rand((len(labels), 8, 8), generator=draw)
    old = method.memory.at(method.memory.rows())
    finetuned = theta - 0.2 * net.gradient(F.cross_entropy(net(old.x), old.y))

    def forgetting(e):
        losses = []
        for weights in (theta, finetuned):
            net.theta.copy_(weights)
            losses.append(F.cross_entropy(net(e), labels, reduction="sum").item())
        net.theta.copy_(theta)
        return losses[0] - losses[1]

    method.end_task(task)
    assert torch.equal(net.theta, theta)
    assert forgetting(method.anchors) < forgetting(start)


def test_an_anchor_takes_the_step_of_the_equation():
    options = ("method.anchor_steps=1", "method.gamma=0.3", "method.lr=0.2")
    method, task, labels, draw = before_the_anchors(*options)
    net, theta = method.net, method.net.theta.clone()
    e = torch.rand((len(labels), 8, 8), generator=draw).requires_grad_()
    old = method.memory.at(method.memory.rows())
    finetuned = theta - 0.2 * net.gradient(F.cross_entropy(net(old.x), old.y))
    net.theta.copy_(finetuned)
    kept = net.input_gradient(F.cross_entropy(net(e), labels, reduction="sum"), e)
    net.theta.copy_(theta)
    far = ((net.features(e) - method.phi) ** 2).sum(1)  # the squared norm, of each anchor
    loss = (F.cross_entropy(net(e), labels, reduction="none") + 0.3 * far).sum()
    expected = e.detach() - 0.2 * (net.input_gradient(loss, e) - kept)
    method.end_task(task)
    torch.testing.assert_close(method.anchors, expected)


def test_the_step_holds_the_outputs_at_the_anchors():
    run = small_run(*OPTIONS, "method.strength=0.9")
    learn_tasks(run, 1)
    method, net, task = run.method, run.method.net, run.stream.tasks[1]
    begin(run, task)
    x, y = next(iter(run.stream.train_batches(task)))
    theta, draw, lr = net.theta.clone(), torch.Generator(), method.settings.lr
    draw.set_state(method.generator.get_state())
    old = method.memory.sample(6, draw)

    def loss():
        return F.cross_entropy(net(torch.cat([x, old.x])), torch.cat([y, old.y]))

    g = net.gradient(loss()).clone()
    net.theta.add_(g, alpha=-lr)
    moved = net(method.anchors).detach()
    net.theta.copy_(theta)
    g = net.gradient(loss() + 0.9 * ((net(method.anchors) - moved) ** 2).mean()).clone()
    method.observe(x, y, task)
    torch.testing.assert_close(net.theta, theta - lr * g)
