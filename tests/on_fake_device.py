"""Small runs on the fake device and on the CPU, in a process of their own: a line of JSON for each.

    python on_fake_device.py DIRECTORY < cases.json

where cases are name -> command line. A line has the largest ``difference`` between the two in
accuracies and in parameters, the most ``waits`` of a step by what waited, and the ``error``.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections import Counter
from pathlib import Path

import fake_device
import numpy as np
import torch
from one_method import begin

from cl_bench.config.compose import config_of
from cl_bench.config.schema import RunConfig
from cl_bench.files.state import read_state, write_state
from cl_bench.run import build, learn
from cl_bench.run.build import Run, prepare
from cl_bench.run.evaluate import evaluate
from cl_bench.run.load import predict

torch.set_num_threads(1)


def steps(run: Run, task, most: Counter) -> None:
    """The task from beginning to end; into ``most`` what the slowest step waited for."""
    begin(run, task)
    told = run.scenario.in_training(task)
    for x, y in run.stream.train_batches(task):
        fake_device.waits.clear()
        run.scenario.observe(y)
        run.method.observe(x, y, told)
        most |= fake_device.waits
    if told is not None:
        run.method.end_epoch(task)
        learn.end_task(run, task)
    assert run.method.finite()


def whole(cfg: RunConfig, on: torch.device, place: Path) -> tuple[list, Counter]:
    """All that comes out of a run that is taken up after half of its tasks."""
    build._device, build.multiplies_bf16 = lambda name: on, lambda device: True
    most: Counter = Counter()
    run = prepare(cfg)
    stays = run.stream.stays
    middle = len(stays) // 2
    out = [evaluate(run)]
    for task in stays[:middle]:
        steps(run, task, most)
    out.append(evaluate(run))
    write_state(place, run.method.state_dict(), {})
    run = prepare(cfg)
    run.method.load_state_dict(read_state(place)[0])
    for task in stays[:middle]:
        run.pass_over(task)
    for task in run.stream.stays[middle:]:
        steps(run, task, most)
    out.append(evaluate(run))
    out.append(run.method.net.theta.detach().cpu().numpy())
    x = run.stream.data.test_images[:9]
    out.append(predict(run, x, np.arange(9) % len(run.stream.tasks)))
    return out, most


def compare(words: list[str], place: Path) -> dict:
    cfg = config_of(words)
    with fake_device.Device():
        there, most = whole(cfg, fake_device.DEVICE, place)
    here, _ = whole(cfg, torch.device("cpu"), place)
    difference = max(float(np.abs(a - b).max()) for a, b in zip(there, here, strict=True))
    return {"difference": difference, "waits": dict(most)}


if __name__ == "__main__":
    for name, words in json.load(sys.stdin).items():
        try:
            told = compare(words, Path(sys.argv[1]) / "state.safetensors")
        except Exception:
            told = {"error": traceback.format_exc()}
        print(json.dumps({"name": name, **told}), flush=True)
