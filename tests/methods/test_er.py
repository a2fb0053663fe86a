"""Experience replay: its loss, what it replays, resuming, and whole runs."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from itertools import islice

import pytest
import torch
from torch.nn.functional import cross_entropy

from cl_bench.config.compose import config_of
from cl_bench.run import build
from cl_bench.run.build import Run

SMALL = ("dataset=digits_permutations", "dataset.tasks=3", "dataset.samples_per_task=60",
         "dataset.batch_size=5", "model.hidden=[16]", "memory.size=30", "method.replay=6",
         "device=cpu", "device.threads=1")  # fmt: skip


def prepared(*overrides: str) -> Run:
    return build.prepare(config_of(["method=er", *SMALL, *overrides]))


def learn(run: Run, index: int, start: int, stop: int) -> None:
    task = run.stream.tasks[index]
    run.scenario.begin_task(task)
    for x, y in islice(run.stream.train_batches(task), start, stop):
        run.method.observe(x, y, task)


def test_the_loss_is_the_mean_over_stream_and_replay_or_the_sum_of_the_tasks_means():
    losses = torch.tensor([1.0, 3.0, 5.0, 2.0, 7.0])
    tasks = torch.tensor([4, 4, 0, 0, 2])
    mean = prepared("method.balance=none").method.total(losses, tasks)
    balanced = prepared("method.balance=task").method.total(losses, tasks)
    assert float(mean) == pytest.approx(18 / 5)
    assert float(balanced) == pytest.approx(4 / 2 + 7 / 2 + 7)


def test_several_steps_on_a_batch_replay_other_samples_each_and_store_it_once():
    once, thrice = prepared(), prepared("+method.steps=3")
    for run in (once, thrice):
        learn(run, 0, 0, 6)
    assert len(once.method.memory) == len(thrice.method.memory) == 30
    assert thrice.method.net.passes.backward > 2.5 * once.method.net.passes.backward
    drawn = []
    sample = thrice.method.memory.sample
    thrice.method.memory.sample = lambda *given: drawn.append(sample(*given)) or drawn[-1]
    x, y = next(iter(thrice.stream.train_batches(thrice.stream.tasks[0])))
    thrice.method.observe(x, y, thrice.stream.tasks[0])
    assert len(drawn) == 3
    assert not torch.equal(drawn[0].x, drawn[1].x)


def test_a_step_descends_on_batch_and_replay_together_and_stores_the_batch_afterwards():
    run = prepared("method.draw=without_replacement", "method.replay=100", "memory.size=100")
    learn(run, 0, 0, 4)
    held = (run.memory.x[:20].clone(), run.memory.y[:20].clone())
    task = run.stream.tasks[1]
    x, y = next(iter(run.stream.train_batches(task)))
    net, before = run.method.net, run.method.net.theta.clone()
    g = net.gradient(cross_entropy(net(torch.cat([x, held[0]])), torch.cat([y, held[1]]))).clone()
    run.method.observe(x, y, task)
    torch.testing.assert_close(net.theta, before - 0.1 * g)
    assert len(run.memory) == 25
    assert run.memory.task[:25].tolist() == [0] * 20 + [1] * 5


@pytest.mark.parametrize("memory", ["reservoir", "ring", "class_ring"])
def test_a_run_resumed_in_the_middle_of_a_task_goes_on_bit_for_bit(memory):
    size = "memory.size=60"
    run, resumed = prepared(f"memory={memory}", size), prepared(f"memory={memory}", size)
    learn(run, 0, 0, 12)
    learn(run, 1, 0, 5)
    state = copy.deepcopy(run.method.state_dict())
    resumed.method.load_state_dict(state)
    learn(run, 1, 5, 12)
    learn(resumed, 1, 5, 12)
    assert torch.equal(run.method.net.theta, resumed.method.net.theta)
    assert torch.equal(run.memory.x, resumed.memory.x)


def test_a_run_from_the_command_line_forgets_less_than_without_replay(tmp_path):
    command = [sys.executable, "-m", "cl_bench", "-m", "method=er,single", *SMALL[:2],
               "dataset.samples_per_task=300", *SMALL[-2:], f"outputs={tmp_path}",
               "plots=false"]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    acc = {
        path.name.partition("-")[0]: json.loads((path / "metrics.json").read_text())["acc"]
        for path in tmp_path.iterdir()
    }
    assert acc["er"] > acc["single"] + 0.05
