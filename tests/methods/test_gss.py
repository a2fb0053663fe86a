from __future__ import annotations

import torch
import torch.nn.functional as F
from one_method import begin, learn_tasks, small_run

from cl_bench.methods.gss import scores


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
    assert torch.equal(method.memory.columns["score"][:10, 0], torch.full((10,), 0.1))
    references = method.each(*(part[:3] for part in (x, y, torch.zeros(10).long())))
    by_hand = torch.stack([gradient(net, a, b) for a, b in zip(x[:3], y[:3], strict=True)])
    expected = 1 + F.cosine_similarity(gradient(net, x2[0], y2[0])[None], by_hand).max()
    found = scores(method.each(x2[:1], y2[:1], torch.zeros(1).long()), references)
    torch.testing.assert_close(found[0], expected)
    draw = torch.Generator()
    draw.set_state(method.generator.get_state())
    old = method.memory.sample(3, draw)
    by_hand = torch.stack([gradient(net, a, b) for a, b in zip(old.x, old.y, strict=True)])
    whole = net.gradient(F.cross_entropy(net(x2), y2)).clone()
    method.offer(x2, y2, 0)
    score = method.memory.columns["score"][10:20, 0]
    assert (score == score[0]).all()  # there was room for all of it
    torch.testing.assert_close(score[0], 1 + F.cosine_similarity(whole[None], by_hand).max())


def test_samples_challenge_one_after_the_other():
    run = small_run("method=gss", "memory.size=10", "method.compared=4")
    task = run.stream.tasks[0]
    begin(run, task)
    method, memory = run.method, run.method.memory
    method.net.theta.zero_()  # so that the gradients of two classes have a cosine of -1/9
    (x, _), (x2, _), *_ = run.stream.train_batches(task)
    zeros = torch.zeros(10, dtype=torch.int64)
    method.offer(x, zeros, 0)
    method.offer(x2, zeros, 0)
    assert torch.equal(memory.x, x)  # too like what is there
    held, kept, draw = torch.full((10,), 0.1), x.clone(), torch.Generator()
    draw.set_state(method.generator.get_state())
    memory.sample(4, draw)
    for i in range(10):
        row = int(torch.multinomial(held, 1, generator=draw))
        if torch.rand((), generator=draw) < held[row] / (held[row] + 8 / 9):
            held[row], kept[row] = 8 / 9, x2[i]
    method.offer(x2, zeros + 1, 0)
    torch.testing.assert_close(memory.columns["score"][:, 0], held)
    assert torch.equal(memory.x, kept)
    assert 0 < int(memory.y.sum()) == int((held > 0.5).sum())


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
