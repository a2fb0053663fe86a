import numpy as np
import pytest
import torch
from conftest import STREAM
from small_runs import METHODS, small

from cl_bench import datasets
from cl_bench.config.choices import implementation
from cl_bench.config.compose import config_of
from cl_bench.config.pairing import check_pairing, needs
from cl_bench.config.schema import check_run
from cl_bench.errors import UsageError
from cl_bench.methods.single import Single
from cl_bench.run import build
from cl_bench.run import learn as learning
from cl_bench.run.evaluate import evaluate
from cl_bench.run.progress import Progress
from cl_bench.streams.task import UNKNOWN, Task

DATASET = {**STREAM, "source": "digits", "samples_per_task": 100, "batch_size": 10}
GEM = {"name": "gem", "lr": 0.1, "margin": 0.5, "margin_rule": "bound", "eps": 1e-3}


def config(method=None, device="cpu", **dataset):
    ring = {"name": "ring", "size": 60, "tasks": "known", "authors_cursor": False}
    return check_run(
        {
            "method": method or GEM,
            "dataset": {**DATASET, **dataset},
            "model": {"name": "mlp", "hidden": [20], "init": "xavier"},
            "memory": ring if (method or GEM)["name"] == "gem" else {"name": "none", "size": 0},
            "device": {"name": device, "threads": 1}, "checkpoint": {"every": 60, "keep": False},
            "seed": 0, "outputs": "outputs", "force": False, "quiet": True, "plots": False,
        }
    )  # fmt: skip


def learn(cfg):
    run = build.prepare(cfg)
    matrix, timings = learning.learn(run, Progress([1] * len(run.stream.tasks), bar=False))
    return run, matrix, timings


def test_same_seed_gives_the_same_bits():
    (one, first, _), (two, second, _) = learn(config()), learn(config())
    np.testing.assert_array_equal(first, second)
    assert torch.equal(one.method.net.theta, two.method.net.theta)


def test_rows_of_the_matrix():
    run, matrix, timings = learn(config())
    assert matrix.shape == (4, 3)
    assert len(timings) == 4
    untrained = evaluate(build.prepare(config()))
    np.testing.assert_array_equal(matrix[0], untrained)
    np.testing.assert_array_equal(matrix[-1], evaluate(run))
    assert matrix[1, 0] > untrained[0] + 0.05  # it has seen 100 digits


def test_evaluation_counts_every_test_sample_by_hand():
    run = build.prepare(config())
    run.method.train(False)
    for task in run.stream.tasks:
        images = task.transform(run.stream.test, slice(0, None))
        with torch.no_grad():
            right = (run.method.logits(images, task).argmax(1) == run.stream.test.labels).double()
        assert evaluate(run)[task.index] == right.mean().item()


def test_evaluation_leaves_no_trace():
    one, two = build.prepare(config()), build.prepare(config())
    evaluate(two)
    batch = next(iter(one.stream.train_batches(one.stream.tasks[0])))
    for run in (one, two):
        run.method.observe(*batch, run.stream.tasks[0])
    assert torch.equal(one.method.net.theta, two.method.net.theta)


@pytest.mark.parametrize(
    ("identity", "training", "tests"),
    [("test", True, True), ("train", True, False), ("none", False, False)],
)
def test_what_a_method_is_told_of_the_task(monkeypatch, identity, training, tests):
    told = {verb: [] for verb in ("begin_task", "observe", "end_epoch", "end_task", "logits")}
    for verb, seen in told.items():
        whole = getattr(Single, verb)

        def spy(self, *arguments, whole=whole, seen=seen):
            seen.append(arguments[-1])
            return whole(self, *arguments)

        monkeypatch.setattr(Single, verb, spy)
    run = build.prepare(config({"name": "single", "lr": 0.1}, task_identity=identity, epochs=2))
    with Progress([20] * 3, False) as progress:
        learning.learn(run, progress)
    tasks = list(run.stream.tasks)
    assert told["begin_task"] == told["end_task"] == (tasks if training else [])
    assert told["end_epoch"] == ([t for t in tasks for _ in range(2)] if training else [])
    assert told["observe"] == [t if training else None for t in tasks for _ in range(20)]
    assert set(map(type, told["logits"])) == {Task if tests else type(None)}


FREE = ("dataset=digits_permutations", "dataset.task_identity=none")
CLASSES = ("dataset=digits_split", "dataset.classes=4", "dataset.scenario=class")
FEW = ("dataset.tasks=2", "dataset.samples_per_task=20", "dataset.batch_size=10")


def refused(cfg):
    try:
        check_pairing(cfg)
    except UsageError:
        return True
    return False


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_is_not_refused_works_with_what_it_is_told(method):
    streams = (FREE, CLASSES, (*CLASSES, "dataset.blur=0.5"))
    configs = [config_of(small(method, *stream, *FEW)) for stream in streams]
    allowed = [cfg for cfg in configs if not refused(cfg)]
    for cfg in allowed:
        run = build.prepare(cfg)
        with Progress([1] * 2, False) as progress:
            learning.learn(run, progress)
    needed = needs("method", implementation("method", method))
    assert not (needed and configs[0] in allowed)
    assert (configs[1] in allowed) == ("identity in tests" not in needed)


def test_without_identity_classes_count_once_a_sample_was_seen():
    free = {"stream": "class_split", "scenario": "class", "task_identity": "none", "tasks": 5}
    free |= {"split": "classes", "class_order": "natural", "classes": None}
    run = build.prepare(config({"name": "single", "lr": 0.1}, **free))
    first, second = run.stream.tasks[:2]
    size = run.stream.settings.batch_size
    batches = list(run.stream.train_batches(second))
    run.pass_over(first)
    assert run.scenario.visible(UNKNOWN).nonzero().flatten().tolist() == [0, 1]
    run.pass_over(second, 0)
    assert run.scenario.visible(UNKNOWN).nonzero().flatten().tolist() == [0, 1]
    assert run.stream.labels(second, 3).tolist() == torch.cat([y for _, y in batches[:3]]).tolist()
    assert len(run.stream.labels(second, 3)) == 3 * size
    assert len(run.stream.labels(second, 10**6)) == len(second.train)
    run.pass_over(second, 3)
    assert run.scenario.visible(UNKNOWN).nonzero().flatten().tolist() == [0, 1, 2, 3]


def test_a_method_that_uses_no_memory_gets_none():
    chosen = config({"name": "single", "lr": 0.1})
    ring = chosen.model_copy(update={"memory": config().memory})
    assert build.prepare(ring).memory is None
    assert build.prepare(config()).memory is not None


def test_a_misspelt_option_costs_no_download(monkeypatch):
    def download(*arguments):
        raise AssertionError("data was fetched before the options were checked")

    monkeypatch.setattr(datasets, "load", download)
    with pytest.raises(UsageError, match="margn"):
        build.prepare(config({**GEM, "margn": 1}))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_is_deterministic_and_close_to_the_cpu():
    (_, cpu, _), (_, one, _), (_, two, _) = (
        learn(config()), learn(config(device="cuda")), learn(config(device="cuda")),
    )  # fmt: skip
    np.testing.assert_array_equal(one, two)
    assert abs(one[-1].mean() - cpu[-1].mean()) < 0.02
