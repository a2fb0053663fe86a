from __future__ import annotations

import torch
from one_method import begin, small_run

from cl_bench.methods.ewcpp import scaled


def test_scores_and_penalty_by_hand():
    run = small_run(
        "method=rwalk", "method.every=2", "method.eps=0.01", "method.strength=0.3",
        "dataset.samples_per_task=40",
    )  # fmt: skip
    method, net, s = run.method, run.method.net, run.method.settings
    fisher = score = anchor = torch.zeros(net.size)
    importance = torch.zeros(net.size)
    for number, task in enumerate(run.stream.tasks[:2]):
        begin(run, task)
        gained = torch.zeros(net.size)
        for i, (x, y) in enumerate(run.stream.train_batches(task)):
            if i % 2 == 0:
                squares, path, start = 0, 0, net.theta.clone()
            before = net.theta.clone()
            g = method.gradient(x, y, task).clone()
            expected = before - s.lr * (g + 0.6 * importance * (before - anchor))
            method.observe(x, y, task)
            torch.testing.assert_close(net.theta, expected)
            squares, path = squares + g * g, path + g * (before - net.theta)
            if i % 2 == 1:
                fisher = 0.1 * fisher + 0.9 * squares / 2
                way = (net.theta - start) ** 2
                gained = gained + (path / (fisher * way / 2 + 0.01)).clamp(min=0)
        method.end_task(task)
        score = gained if number == 0 else (score + gained) / 2
        importance, anchor = scaled(fisher) + scaled(score), net.theta.clone()
        torch.testing.assert_close(method.penalty.A, importance)
    assert float(scaled(score).max()) == 1.0
