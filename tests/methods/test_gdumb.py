from __future__ import annotations

import torch
from one_method import begin, learn_tasks, observe, small_run


def test_the_network_is_learned_anew_from_the_memory_alone():
    def learned(shift: float) -> torch.Tensor:
        run = small_run("method=gdumb", "memory.size=30", "method.passes=2", "method.batch=8")
        initial = run.method.net.theta.clone()
        learn_tasks(run, 1)
        task = run.stream.tasks[1]
        begin(run, task)
        observe(run, task)
        run.method.net.theta.add_(shift)
        run.method.end_task(task)
        assert not torch.equal(run.method.net.theta, initial)
        return run.method.net.theta.clone()

    assert torch.equal(learned(0.0), learned(1.0))  # whatever the weights were before


def test_it_learns_once_if_asked():
    run = small_run("method=gdumb", "memory.size=30", "method.passes=2", "method.fit=last")
    initial = run.method.net.theta.clone()
    learn_tasks(run, 3)
    assert torch.equal(run.method.net.theta, initial)
    learn_tasks(run, 4)
    assert not torch.equal(run.method.net.theta, initial)
