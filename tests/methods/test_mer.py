"""Meta-Experience Replay: its three algorithms, their limits, resuming, and whole runs."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from cl_bench import metrics
from cl_bench.config.compose import config_of
from cl_bench.metrics.base import Measured
from cl_bench.run import build
from cl_bench.run.build import Run

SMALL = ("dataset=digits_permutations", "dataset.tasks=2", "dataset.samples_per_task=40",
         "model.hidden=[16]", "memory.size=20", "method.replay=4", "method.batches=3",
         "method.lr=0.03",
         "device=cpu", "device.threads=1")  # fmt: skip


def prepared(*overrides: str) -> Run:
    return build.prepare(config_of(["method=mer", *SMALL, *overrides]))


def learn(run: Run, start: int, stop: int) -> None:
    """Observe stream batches ``start`` to ``stop`` of the first task."""
    task = run.stream.tasks[0]
    run.scenario.begin_task(task)
    for x, y in islice(run.stream.train_batches(task), start, stop):
        run.method.observe(x, y, task)


def theta(run: Run) -> torch.Tensor:
    return torch.cat([p.flatten() for p in run.method.state_dict()["net"]["parameters"].values()])


def cli(*arguments: str, outputs: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cl_bench", *arguments, f"outputs={outputs}", "plots=false"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kernel", ["generic", "compiled"])
@pytest.mark.parametrize(
    "zero",
    [("beta=0.0",), ("gamma=0.0",), ("algorithm=6", "gamma=0.0"), ("algorithm=7", "gamma=0.0")],
)
def test_a_zero_interpolation_weight_leaves_the_network_untrained(kernel, zero):
    run = prepared(f"method.kernel={kernel}", *(f"method.{item}" for item in zero))
    before = theta(run).clone()
    learn(run, 0, 12)
    assert torch.equal(theta(run), before)
    assert len(run.memory) == 12


def test_without_interpolation_one_batch_is_sgd_sample_by_sample():
    plain = ("method.kernel=generic", "method.beta=1.0", "method.gamma=1.0", "method.batches=1")
    run, reference = prepared(*plain), prepared(*plain)
    learn(run, 0, 20)
    method, task = reference.method, reference.stream.tasks[0]
    reference.scenario.begin_task(task)
    for x, y in islice(reference.stream.train_batches(task), 20):
        rows = method.draw_batches()[0]
        for row in rows.tolist():
            one = (x, y) if row < 0 else (method.memory.x[row][None], method.memory.y[row][None])
            method.gradient(*one, task)
            method.step()
        method.memory.add(x, y, 0, method.generator)
    assert torch.equal(theta(run), theta(reference))


@pytest.mark.parametrize("kernel", ["generic", "compiled"])
def test_one_batch_of_algorithm_1_is_algorithm_6_but_for_the_order(kernel):
    common = (f"method.kernel={kernel}", "method.batches=1")
    first = prepared(*common, "method.beta=0.3", "method.gamma=1.0")
    sixth = prepared(*common, "method.algorithm=6", "method.gamma=0.3", "method.beta=0.9")
    task = first.stream.tasks[0]
    for x, y in islice(first.stream.train_batches(task), 20):
        rows = first.method.draw_batches()
        for run in (first, sixth):
            run.method.inner_loop.run(x, y, 0, run.memory, rows)
            run.memory.add(x, y, 0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(theta(first), theta(sixth), rtol=1e-5, atol=1e-6)
    assert not torch.equal(theta(first), theta(prepared(*common)))


def test_the_current_sample_has_its_place_in_every_algorithm():
    places = {}
    for algorithm in (1, 6, 7):
        run = prepared(f"method.algorithm={algorithm}", "method.batches=5")
        learn(run, 0, 20)
        batches = torch.cat([run.method.draw_batches() for _ in range(20)])
        assert ((batches < 0).sum(1) == 1).all()
        assert batches.shape == (20 if algorithm == 7 else 100, 5)
        places[algorithm] = set((batches < 0).long().argmax(1).tolist())
    assert places[1] == {0}
    assert places[6] == {4}
    assert places[7] == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("kernel", ["generic", "compiled"])
def test_algorithm_6_ends_each_of_its_batches_with_gamma(kernel):
    options = (f"method.kernel={kernel}", "method.algorithm=6", "method.gamma=0.3")
    run, reference = prepared(*options), prepared(*options, "method.kernel=generic")
    task, method = run.stream.tasks[0], reference.method
    for x, y in islice(run.stream.train_batches(task), 10):
        rows = run.method.draw_batches()
        assert len(rows) == 3
        run.method.inner_loop.run(x, y, 0, run.memory, rows)
        for batch in rows.tolist():
            before = method.net.theta.clone()
            for row in batch:
                one = (x, y) if row < 0 else (run.memory.x[row][None], run.memory.y[row][None])
                method.gradient(*one, task)
                method.step()
            method.net.theta.copy_(before + 0.3 * (method.net.theta - before))
        run.memory.add(x, y, 0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(theta(run), theta(reference), rtol=1e-4, atol=1e-6)


def test_replay_is_drawn_anew_for_every_batch_from_what_is_held():
    run = prepared("method.batches=50")
    assert run.method.draw_batches().tolist() == [[-1]] * 50
    learn(run, 0, 3)
    rows = run.method.draw_batches()
    assert rows.shape == (50, 4)
    assert rows[:, 1:].unique().tolist() == [0, 1, 2]
    assert len(rows.unique(dim=0)) > 10


def test_algorithm_7_stores_the_first_sample_without_learning_it():
    run = prepared("method.algorithm=7")
    before = theta(run).clone()
    learn(run, 0, 1)
    assert torch.equal(theta(run), before)
    assert len(run.memory) == 1
    learn(run, 1, 2)
    assert not torch.equal(theta(run), before)


@pytest.mark.parametrize("kernel", ["generic", "compiled"])
def test_the_multiplier_scales_the_current_sample_of_algorithm_7_only(kernel):
    options = (f"method.kernel={kernel}", "method.replay=0", "method.gamma=1.0", "method.lr=0.001")
    moved = {}
    for algorithm, multiplier in [(1, 5.0), (6, 5.0), (7, 1.0), (7, 5.0)]:
        run = prepared(*options, f"method.algorithm={algorithm}", "method.batches=1",
                       "method.beta=1.0", f"method.multiplier={multiplier}")  # fmt: skip
        task = run.stream.tasks[0]
        x, y = next(iter(run.stream.train_batches(task)))
        before = theta(run).clone()
        run.method.inner_loop.run(x, y, 0, run.memory, run.method.draw_batches())
        moved[algorithm, multiplier] = theta(run) - before
    torch.testing.assert_close(moved[1, 5.0], moved[7, 1.0])
    torch.testing.assert_close(moved[6, 5.0], moved[7, 1.0])
    torch.testing.assert_close(moved[7, 5.0], 5 * moved[7, 1.0], rtol=1e-3, atol=1e-6)


def test_a_batch_of_the_stream_is_worked_off_sample_by_sample():
    single, batched = prepared(), prepared("dataset.batch_size=8")
    learn(single, 0, 16)
    learn(batched, 0, 2)
    assert torch.equal(theta(single), theta(batched))
    assert torch.equal(single.memory.y, batched.memory.y)


def test_the_whole_batch_in_one_step_has_no_compiled_loop(tmp_path):
    assert prepared("method.algorithm=batch").method.kernel == "generic"
    result = cli("method=mer", *SMALL, "method.algorithm=batch", "method.kernel=compiled",
                 outputs=tmp_path)  # fmt: skip
    assert result.returncode == 2
    assert "one sample at a time; use method.kernel=auto" in result.stderr


@pytest.mark.parametrize("kernel", ["generic", "compiled"])
@pytest.mark.parametrize("algorithm", [1, 7])
@pytest.mark.parametrize("memory", ["reservoir", "ring"])
def test_a_run_resumed_in_the_middle_of_a_task_goes_on_bit_for_bit(kernel, algorithm, memory):
    options = (f"memory={memory}", f"method.kernel={kernel}", f"method.algorithm={algorithm}")
    run, resumed = prepared(*options), prepared(*options)
    learn(run, 0, 25)
    saved = io.BytesIO()
    torch.save(run.method.state_dict(), saved)
    learn(run, 25, 40)
    saved.seek(0)
    resumed.method.load_state_dict(torch.load(saved, weights_only=True))
    learn(resumed, 25, 40)
    assert torch.equal(theta(run), theta(resumed))
    assert torch.equal(run.memory.x, resumed.memory.x)
    assert run.method.diagnostics() == resumed.method.diagnostics()


def test_a_state_goes_from_one_kernel_to_the_other():
    compiled, generic = prepared("method.kernel=compiled"), prepared("method.kernel=generic")
    learn(compiled, 0, 20)
    generic.method.load_state_dict(copy.deepcopy(compiled.method.state_dict()))
    x = torch.rand(5, 8, 8)
    task = compiled.stream.tasks[0]
    torch.testing.assert_close(generic.method.logits(x, task), compiled.method.logits(x, task))


@pytest.mark.parametrize("scenario", ["task", "class"])
def test_both_kernels_learn_the_same_under_the_class_masks(scenario):
    results = []
    for kernel in ("generic", "compiled"):
        # tasks of five classes each; the second one's have not been seen
        run = prepared(
            f"method.kernel={kernel}", "dataset=digits_split", "dataset.tasks=2",
            f"dataset.scenario={scenario}",
        )  # fmt: skip
        untrained, task = theta(run).clone(), run.stream.tasks[0]
        run.scenario.begin_task(task)
        for x, y in islice(run.stream.train_batches(task), 30):
            run.method.observe(x, y, task)
        results.append(theta(run))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)
    bias = (results[0] != untrained)[-10:]
    assert bias.tolist() == [True] * 5 + [False] * 5


def test_retained_accuracy_is_learning_accuracy_plus_interference():
    matrix = np.random.default_rng(0).random((7, 6))
    values = metrics.compute(Measured(matrix))
    # MER's BTI is a mean over all T tasks, which the authors' code prints as BWT
    assert values["acc"] == pytest.approx(values["la"] + values["bwt_authors_code"], abs=1e-12)


def test_a_run_from_the_command_line(tmp_path):
    result = cli("method=mer", *SMALL, outputs=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "compiled inner loop" in result.stderr
    (directory,) = tmp_path.iterdir()
    facts = json.loads((directory / "diagnostics.json").read_text())
    assert facts["kernel"] == "compiled"
    # batches of 1, 2, 3, 4 samples, then 5; three of each
    assert facts["steps"] == 3 * (1 + 2 + 3 + 4 + 76 * 5)


@pytest.mark.parametrize("method", ["mer", "er"])
def test_a_run_without_a_memory_is_refused_before_it_starts(tmp_path, method):
    result = cli(f"method={method}", "dataset=digits_permutations", "memory=none", outputs=tmp_path)
    assert result.returncode == 2
    assert f"method={method} does not work with memory=none" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.real_data
@pytest.mark.slow
def test_the_published_accuracy_on_mnist_permutations_with_a_memory_of_200(tmp_path):
    result = cli("-m", "method=mer", "dataset=mnist_permutations", "memory.size=200",
                 "seed=0,1", "device.threads=1", outputs=tmp_path)  # fmt: skip
    assert result.returncode == 0, result.stderr
    values = [json.loads((path / "metrics.json").read_text()) for path in tmp_path.iterdir()]
    assert np.mean([value["acc"] for value in values]) == pytest.approx(0.727, abs=0.02)
    for value in values:
        assert value["acc"] == pytest.approx(value["la"] + value["bwt_authors_code"], abs=1e-9)
