"""Options of every stream: order, reserved tasks, validation, blur; and what a checksum covers."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cl_bench.config.compose import config_of
from cl_bench.datasets import idx
from cl_bench.errors import UsageError
from cl_bench.run import build as building
from cl_bench.streams.order import ORDERS

CPU = torch.device("cpu")


def build(*overrides, dataset="digits_permutations"):
    small = [] if "split" in dataset else ["dataset.samples_per_task=100"]
    return building.build_stream(config_of([f"dataset={dataset}", *small, *overrides]), CPU)


def first_inputs(stream, index):
    return torch.cat([x for x, _ in stream.train_batches(stream.tasks[index])])


def test_order_moves_tasks_but_keeps_their_samples():
    plain, ordered = build(), build("dataset.order=B")
    assert [task.identity for task in ordered.tasks] == ORDERS[20]["B"]
    assert [task.index for task in ordered.tasks] == list(range(20))
    assert torch.equal(first_inputs(ordered, 0), first_inputs(plain, 15))
    assert ordered.tasks[0].name == plain.tasks[15].name
    assert plain.checksum() != ordered.checksum()


def test_order_by_list_and_by_seed():
    assert [t.identity for t in build("dataset.order=[2,0,1]", "dataset.tasks=3").tasks] == [
        2,
        0,
        1,
    ]
    drawn = [task.identity for task in build("dataset.order_seed=5").tasks]
    assert sorted(drawn) == list(range(20))
    assert drawn != list(range(20))
    assert drawn == [task.identity for task in build("dataset.order_seed=5", "seed=9").tasks]


RETURNS = ("dataset.order=[0,1,0,2]", "dataset.tasks=3")


def test_a_task_that_returns_keeps_its_samples_and_its_test_set():
    stream, plain = build(*RETURNS), build("dataset.tasks=3")
    assert [task.identity for task in stream.stays] == [0, 1, 0, 2]
    assert [task.index for task in stream.stays] == [0, 1, 0, 2]
    assert [task.stay for task in stream.stays] == [0, 1, 2, 3]
    assert [task.visit for task in stream.stays] == [0, 0, 1, 0]
    assert [task.identity for task in stream.tasks] == [0, 1, 2]
    for task, same in zip(stream.tasks, plain.tasks, strict=True):
        ours, theirs = stream.train_batches(task), plain.train_batches(same)
        assert all(torch.equal(a, b) for (a, _), (b, _) in zip(ours, theirs, strict=True))
    first, again = stream.stays[0], stream.stays[2]
    assert torch.equal(first.train, again.train)
    assert first.test is again.test
    once, twice = (torch.cat([x for x, _ in stream.train_batches(t)]) for t in (first, again))
    assert not torch.equal(once, twice)  # in another order
    assert torch.equal(once.flatten(1).sum(1).sort()[0], twice.flatten(1).sum(1).sort()[0])
    assert stream.checksum() != plain.checksum()


def test_every_pass_of_every_stay_has_an_order_of_its_own():
    stream = build(*RETURNS, "dataset.epochs=2")
    orders = set()
    for stay in (stream.stays[0], stream.stays[2]):
        seen = torch.cat([x for x, _ in stream.train_batches(stay)]).flatten(1).sum(1)
        orders |= {tuple(passed.tolist()) for passed in seen.chunk(2)}
    assert len(orders) == 4
    assert len({tuple(sorted(order)) for order in orders}) == 1  # of the same samples


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("dataset.blur=0.2", "tasks return, which dataset.blur cannot"),
        ("dataset.tune_tasks=1", "set dataset.tune_tasks=0"),
        ("dataset.tasks=4", "each of the tasks 0 to 3, and may name one again"),
    ],
)
def test_orders_with_returns_that_cannot_be(more, words):
    with pytest.raises(UsageError, match=words):
        build(*RETURNS, more)


def test_named_orders_name_every_task_once():
    for count, orders in ORDERS.items():
        assert list(orders) == list("ABCDE")
        for order in orders.values():
            assert sorted(order) == list(range(count))


def test_tuning_tasks_are_not_learned_or_learned_alone():
    learned = build("dataset.tune_tasks=3")
    assert [task.identity for task in learned.tasks] == list(range(3, 20))
    assert [task.index for task in learned.tasks] == list(range(17))
    tuned = build("dataset.tune_tasks=3", "dataset.phase=tune")
    assert [task.identity for task in tuned.tasks] == [0, 1, 2]


def test_validation_is_held_out_of_training():
    stream, whole = build("dataset.validation=0.2"), build()
    for task, full in zip(stream.tasks, whole.tasks, strict=True):
        assert len(task.train) == 80
        assert len(task.validation) == 20
        assert set(torch.cat([task.train, task.validation]).tolist()) == set(full.train.tolist())
    x, y = next(stream.validation_batches(stream.tasks[2]))
    rows = stream.tasks[2].validation
    assert torch.equal(y, stream.train.labels[rows])
    assert torch.equal(x, stream.tasks[2].transform(stream.train, rows))
    assert list(whole.validation_batches(whole.tasks[2])) == []


def test_blur_exchanges_samples_of_neighbours():
    plain, blurred = build(), build("dataset.blur=0.4")
    for index, task in enumerate(blurred.tasks):
        borrowed = task.task_ids != task.identity
        assert len(task.train) == 100
        assert borrowed.sum() == (20 if index in (0, 19) else 40)
        assert set(task.task_ids[borrowed].tolist()) <= {index - 1, index + 1}
    rows = torch.cat([task.train for task in blurred.tasks])
    assert torch.equal(rows.sort()[0], torch.cat([t.train for t in plain.tasks]).sort()[0])
    assert blurred.checksum() != plain.checksum()


def test_a_borrowed_sample_is_shown_as_by_its_own_task():
    stream = build("dataset.blur=0.4")
    task, task_id = stream.tasks[4], stream.tasks[5]
    shown = {tuple(x.flatten().tolist()) for x in first_inputs(stream, 4)}
    borrowed = task.train[task.task_ids == 5]
    for x in task_id.transform(stream.train, borrowed):
        assert tuple(x.flatten().tolist()) in shown


def test_blurred_classes_count_in_the_class_scenario():
    stream = build("dataset.blur=0.2", "dataset.scenario=class", dataset="digits_split")
    assert stream.tasks[0].classes == (0, 1, 2, 3)
    assert stream.tasks[2].classes == (2, 3, 4, 5, 6, 7)


def test_epochs_repeat_the_samples_in_another_order():
    stream = build("dataset.epochs=2")
    x = first_inputs(stream, 0)
    assert len(x) == stream.samples(stream.tasks[0]) == 200
    once, twice = x[:100].flatten(1), x[100:].flatten(1)
    assert not torch.equal(once, twice)
    assert torch.equal(once.sum(1).sort()[0], twice.sum(1).sort()[0])


def test_large_passes_are_prepared_in_parts_of_whole_batches(monkeypatch):
    whole = first_inputs(build("dataset.batch_size=7"), 1)
    monkeypatch.setattr("cl_bench.streams.base.PREPARED_BATCH", 20)
    stream = build("dataset.batch_size=7")
    sizes = [len(x) for x, _ in stream.train_batches(stream.tasks[1])]
    assert sizes == [7] * 14 + [2]
    assert torch.equal(first_inputs(stream, 1), whole)


@pytest.mark.parametrize("dataset", ["digits_permutations", "digits_rotations", "digits_split"])
def test_checksum_depends_on_the_seeds_alone(dataset):
    first = build("method=gem", dataset=dataset).checksum()
    assert build("method=single", "model.hidden=[5]", dataset=dataset).checksum() == first
    assert build("seed=1", dataset=dataset).checksum() != first
    assert build("dataset.epochs=2", dataset=dataset).checksum() != first


def test_checksum_is_the_same_in_another_process():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_stream_options as t;"
        "print(t.build('dataset.blur=0.2', 'dataset.order_seed=1').checksum())"
    )
    folder = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )
    here = build("dataset.blur=0.2", "dataset.order_seed=1").checksum()
    assert done.stdout.split()[-1] == here


@pytest.mark.real_data
def test_a_hundred_tasks_take_the_memory_of_one_dataset():
    code = """
from cl_bench.run import build
from cl_bench.config.compose import config_of
from cl_bench.run.environment import peak_rss_bytes

cfg = config_of(["dataset=mnist_many_permutations", "method=single", "device.threads=1"])
run = build.prepare(cfg)
for task in run.stream.tasks:
    for x, y in run.stream.train_batches(task):
        run.method.observe(x, y, task)
    x, _ = next(run.stream.test_batches(task))
    run.method.logits(x, task)
print(len(run.stream.tasks), peak_rss_bytes())
"""
    idx.load("mnist")  # fetched by now: to unpack a package takes memory of its own
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    tasks, peak = map(int, done.stdout.split())
    assert tasks == 100
    assert peak < 700 * 2**20
