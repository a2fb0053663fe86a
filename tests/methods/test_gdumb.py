from __future__ import annotations

import torch
from one_method import learn_tasks, small_run

from cl_bench.memory.balanced import Balanced


def memory(size):
    settings = Balanced.Settings(name="balanced", size=size)
    return Balanced(settings, 2, (1,), torch.device("cpu"))


def test_every_class_gets_its_share():
    kept, draw = memory(6), torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 10 + [1] * 2 + [2] * 5)
    for start in range(0, len(labels), 3):
        y = labels[start : start + 3]
        kept.add(y[:, None].float(), y, 0, draw)
    assert kept.y.bincount().tolist() == [2, 2, 2]
    assert torch.equal(kept.x[:, 0].long(), kept.y)
    y = torch.tensor([0, 0])
    kept.add(y[:, None].float(), y, 1, draw)  # its class has its share: not kept
    assert not kept.task_ids(kept.rows()).any()


def test_the_network_is_learned_anew_from_the_memory_alone():
    options = ("method=gdumb", "memory.size=30", "method.passes=2", "method.batch=8")
    run = small_run(*options)
    learn_tasks(run, 2)
    method = run.method
    found = method.net.theta.clone()
    # the same again from the initial parameters, with the same random numbers
    again = small_run(*options)
    initial = again.method.net.theta.clone()
    learn_tasks(again, 1)
    method.net.theta.copy_(initial)
    draw = again.method.generator.get_state()
    assert not torch.equal(found, initial)
    assert not torch.equal(method.generator.get_state(), draw)


def test_it_learns_once_if_asked():
    run = small_run("method=gdumb", "memory.size=30", "method.passes=2", "method.fit=last")
    initial = run.method.net.theta.clone()
    learn_tasks(run, 3)
    assert torch.equal(run.method.net.theta, initial)
    learn_tasks(run, 4)
    assert not torch.equal(run.method.net.theta, initial)
