"""DER and DER++: the losses by hand, and which outputs are kept."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from one_method import begin, learn_tasks, small_run


def one_step(method: str, *options: str):
    """A run one batch into its second task, its parameters before the step, batch and memory."""
    run = small_run(f"method={method}", "memory.size=20", "method.replay=6", *options)
    learn_tasks(run, 1)
    task = run.stream.tasks[1]
    begin(run, task)
    x, y = next(iter(run.stream.train_batches(task)))
    return run, run.method, task, x, y


@pytest.mark.parametrize("method", ["der", "derpp"])
def test_the_step_is_down_the_papers_loss(method):
    _, method, task, x, y = one_step(method, "method.alpha=0.7")
    theta, draw = method.net.theta.clone(), torch.Generator()
    draw.set_state(method.generator.get_state())
    first = method.memory.sample(6, draw)
    loss = F.cross_entropy(method.net(x), y)
    loss = loss + 0.7 * ((method.net(first.x) - first.logits) ** 2).sum() / (6 * 10)
    if method.settings.name == "derpp":
        second = method.memory.sample(6, draw)
        assert not torch.equal(first.rows, second.rows)
        loss = loss + 0.5 * F.cross_entropy(method.net(second.x), second.y)
    g = method.net.gradient(loss).clone()
    method.observe(x, y, task)
    torch.testing.assert_close(method.net.theta, theta - method.settings.lr * g)


def test_outputs_are_kept_as_they_were_before_the_step():
    run = small_run("method=der", "memory.size=20")
    task = run.stream.tasks[0]
    begin(run, task)
    x, y = next(iter(run.stream.train_batches(task)))
    expected = run.method.net(x).detach()
    run.method.observe(x, y, task)
    memory = run.method.memory
    assert torch.equal(memory.at(memory.rows()).logits, expected)
    assert memory.bytes == sum(
        part.nbytes for part in (memory.x, memory.y, memory.task, memory.columns["logits"])
    )
