from __future__ import annotations

import torch
import torch.nn.functional as F
from one_method import begin, learn_tasks, small_run


def gradient(net, x, y):
    return net.gradient(F.cross_entropy(net(x[None]), y[None])).clone()


def test_scores_are_largest_cosines():
    run = small_run("method=gss", "memory.size=20", "method.compared=3")
    task = run.stream.tasks[0]
    begin(run, task)
    method, net = run.method, run.method.net
    (x, y), (x2, y2), *_ = run.stream.train_batches(task)
    method.observe(x, y, task)
    assert len(method.memory) == 10
    assert torch.equal(method.memory.columns["score"][:10, 0], torch.ones(10))  # of an empty one
    draw = torch.Generator()
    draw.set_state(method.generator.get_state())
    old = method.memory.sample(3, draw)
    references = torch.stack([gradient(net, a, b) for a, b in zip(old.x, old.y, strict=True)])
    own = gradient(net, x2[0], y2[0])
    expected = 1 + F.cosine_similarity(own[None], references).max()
    tasks = torch.full((1,), task.index)
    found = method.scores(method.each(x2[:1], y2[:1], tasks), method.references())
    torch.testing.assert_close(found[0], expected)


def test_the_memory_fills_up_and_is_then_replaced_by_what_differs():
    run = small_run("method=gss", "memory.size=25", "method.compared=5", "method.lr=0.01")
    learn_tasks(run, 1)
    memory = run.method.memory
    assert len(memory) == 25
    learn_tasks_more(run)
    assert len(memory) == 25
    assert len(memory.task_ids(memory.rows()).unique()) > 1


def learn_tasks_more(run):
    for task in run.stream.tasks[1:]:
        begin(run, task)
        for x, y in run.stream.train_batches(task):
            run.method.observe(x, y, task)
