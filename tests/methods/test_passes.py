"""Samples that went forward and backward through the network, against counts made by hand."""

from __future__ import annotations

import json

import pytest
from conftest import DIGITS
from one_method import begin, observe, small_run

from cl_bench.run.evaluate import evaluate
from cl_bench.run.learn import end_task

SAMPLES = 4 * 60  # of the stream: 4 tasks, 6 batches of 10 each


def passes(*overrides: str) -> tuple[int, int]:
    """Forward and backward, with a test after every task as in a run."""
    run = small_run(*overrides)
    for task in run.stream.tasks:
        begin(run, task)
        observe(run, task)
        end_task(run, task)
        evaluate(run)
    counted = run.method.net.passes
    return counted.forward, counted.backward


@pytest.mark.parametrize("method", ["single", "si", "ewcpp", "independent", "multimodal", "apd"])
def test_methods_of_one_gradient_pass_every_sample_once(method):
    assert passes(f"method={method}") == (SAMPLES, SAMPLES)


def test_passes_over_a_task_count_each_time():
    assert passes("method=single", "dataset.epochs=3") == (3 * SAMPLES, 3 * SAMPLES)


@pytest.mark.parametrize(
    ("memory", "held"), [(40, 10), (400, 60)]  # of 100 places per task 60 are filled, 40 padding
)  # fmt: skip
def test_gem_counts_the_memories_of_past_tasks_at_every_step(memory, held):
    by_hand = SAMPLES + 6 * held * (1 + 2 + 3)
    assert passes("method=gem", f"memory.size={memory}") == (by_hand, by_hand)


def test_agem_counts_its_reference():
    by_hand = SAMPLES + 18 * 8
    assert passes("method=agem", "memory.size=40", "method.reference=8") == (by_hand, by_hand)


@pytest.mark.parametrize("fisher", ["batch", "empirical"])
def test_ewc_counts_the_fisher_information(fisher):
    by_hand = SAMPLES + 4 * 20
    found = passes("method=ewc", f"method.fisher={fisher}", "method.fisher_samples=20")
    assert found == (by_hand, by_hand)


@pytest.mark.parametrize("absolute", ["sample", "batch"])
def test_mas_counts_the_inputs_of_its_importance(absolute):
    more = ("method.importance_data=train", f"method.absolute={absolute}")
    assert passes("method=mas", *more) == (2 * SAMPLES, 2 * SAMPLES)


def test_local_mas_needs_no_backward_pass():
    more = ("method.importance_data=train", "method.scope=local")
    assert passes("method=mas", *more) == (2 * SAMPLES, SAMPLES)


@pytest.mark.parametrize("kernel", ["generic", "compiled"])
@pytest.mark.parametrize(
    ("algorithm", "by_hand"),
    [
        # two batches of the current and 4 replayed, of fewer for the first four samples
        (1, 2 * (1 + 2 + 3 + 4 + 236 * 5)),
        (6, 2 * (1 + 2 + 3 + 4 + 236 * 5)),
        (7, 2 + 3 + 4 + 236 * 5),
    ],
)
def test_mer_counts_every_step_whoever_makes_it(kernel, algorithm, by_hand):
    if kernel == "compiled":
        pytest.importorskip("numba")
    found = passes(
        "method=mer", "memory.size=30", "method.replay=4", "method.batches=2",
        f"method.algorithm={algorithm}", f"method.kernel={kernel}",
    )  # fmt: skip
    assert found == (by_hand, by_hand)


def test_icarl_counts_distillation_and_features():
    found = passes("method=icarl", "dataset=digits_split", "dataset.tasks=5", "memory.size=30")
    steps = 5 * 60 + 6 * (2 + 4 + 6 + 8)  # and one exemplar of every past class
    described = 5 * 60 + (30 + 28 + 30 + 24 + 30)  # all samples of the task, then all exemplars
    assert found == (steps + described, steps)


def test_apd_counts_the_validation_that_it_learns_by():
    # the held-out tenth of 60, after each of the last two of three passes
    found = passes("method=apd", "method.select=2", "dataset.epochs=3", "dataset.validation=0.1")
    assert found == (3 * 4 * 54 + 2 * 4 * 6, 3 * 4 * 54)


def test_a_run_records_them(inline, tmp_path):
    code, out, err = inline(
        "method=gem", DIGITS, "dataset.tasks=2", "dataset.samples_per_task=60", "memory.size=20",
        "plots=false", "device.threads=1", "-q",
    )  # fmt: skip
    assert code == 0, err
    metrics = json.loads((tmp_path / out.strip() / "metrics.json").read_text())
    assert metrics["forward_passes"] == metrics["backward_passes"] == 120 + 6 * 10
    code, out, _ = inline("report", "outputs", "--format", "csv")
    header, row = (line.split(",") for line in out.splitlines())
    shown = {name: value for name, value in zip(header, row, strict=True) if "passes" in name}
    assert float(shown["forward_passes_mean"]) == float(shown["backward_passes_mean"]) == 180
