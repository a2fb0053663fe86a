from __future__ import annotations

import pytest
import torch
from one_method import learn_tasks, small_run

SPLIT = ("dataset=digits_split", "dataset.tasks=5", "dataset.samples_per_task=60")


def outputs(run, tasks):
    run.method.train(False)
    with torch.inference_mode():
        return [
            run.scenario.mask(run.method.logits(next(run.stream.test_batches(task))[0], task),
                              task.index)
            for task in run.stream.tasks[:tasks]
        ]  # fmt: skip


@pytest.mark.parametrize("stream", [SPLIT, ("dataset=digits_permutations",)])
def test_what_a_task_owns_never_changes_again(stream):
    run = small_run("method=packnet", "method.retrain=2", *stream)
    learn_tasks(run, 2)
    before = outputs(run, 2)
    for task in run.stream.tasks[2:4]:
        run.scenario.begin_task(task)
    learn_more(run, 2, 4)
    for one, other in zip(before, outputs(run, 2), strict=True):
        assert torch.equal(one, other)


def learn_more(run, start, stop):
    from one_method import begin, observe

    from cl_bench.run import learn

    for task in run.stream.tasks[start:stop]:
        begin(run, task)
        observe(run, task)
        learn.end_task(run, task)


def test_the_smallest_share_of_each_tensor_is_given_back():
    run = small_run("method=packnet", "method.prune=0.6", "method.retrain=0", *SPLIT)
    learn_tasks(run, 1)
    method = run.method
    for part in method.layout.layers:
        owner, weights = method.owner[part], method.net.theta[part]
        count = len(weights)
        assert int((owner == 0).sum()) == int(0.6 * count)
        assert not weights[owner == 0].any()
    # with heads of their own nothing of the first task's head is given back
    mine = method.layout.head < 2
    assert (method.owner[method.layout.last][mine] == 1).all()
    assert (method.owner[method.layout.last][~mine] == 0).all()
