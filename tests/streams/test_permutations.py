import numpy as np
import pytest
import torch
from conftest import STREAM

from cl_bench.config.schema import check
from cl_bench.errors import UsageError
from cl_bench.streams.permutations import Permutations
from cl_bench.streams.split import Split
from cl_bench.streams.transforms import Gather

CPU = torch.device("cpu")


def make(data, seed=0, **changes):
    values = {**STREAM, "samples_per_task": 25, "batch_size": 10, **changes}
    return Permutations(check(values, Permutations.Settings), data, seed, CPU)


def test_block_and_rows_agree_with_the_definition(tiny):
    split = Split(tiny.test_images, tiny.test_labels, CPU)
    order = torch.randperm(16)
    expected = tiny.test_images.reshape(30, 16)[:, order.numpy()].astype(np.float32) / 255
    block = Gather(order)(split, slice(5, 20))
    rows = Gather(order)(split, torch.arange(5, 20))
    assert block.shape == rows.shape == (15, 4, 4)
    np.testing.assert_array_equal(block.reshape(15, 16).numpy(), expected[5:20])
    assert torch.equal(block, rows)


def test_batches_cover_the_drawn_samples_once(tiny):
    stream = make(tiny)
    task = stream.tasks[1]
    batches = list(stream.train_batches(task))
    assert [len(y) for _, y in batches] == [10, 10, 5]
    assert len(set(task.train.tolist())) == 25
    seen = torch.cat([x for x, _ in batches]).flatten(1)
    whole = task.transform(stream.train, task.train).flatten(1)
    assert sorted(map(tuple, seen.tolist())) == sorted(map(tuple, whole.tolist()))


def test_every_epoch_has_its_own_order(tiny):
    stream = make(tiny, epochs=2, batch_size=25)
    (_, first), (_, second) = stream.train_batches(stream.tasks[0])
    assert sorted(first.tolist()) == sorted(second.tolist())
    assert first.tolist() != second.tolist()


def test_the_first_task_is_permuted_too(tiny):
    for task in make(tiny).tasks:
        assert task.transform.plan.tolist() != list(range(16))


def test_checksum_follows_both_seeds_and_nothing_else(tiny):
    base = make(tiny).checksum()
    assert make(tiny).checksum() == base
    assert make(tiny, seed=1).checksum() != base
    torch.manual_seed(1)
    assert make(tiny, batch_size=7, name="q").checksum() == base
    other_tasks = make(tiny).settings.model_copy(update={"seed": 5})
    assert Permutations(other_tasks, tiny, 0, CPU).checksum() != base


def test_fixed_tasks_with_varying_order(tiny):
    one, two = make(tiny, 1), make(tiny, 2)
    for a, b in zip(one.tasks, two.tasks, strict=True):
        assert torch.equal(a.transform.plan, b.transform.plan)
        assert not torch.equal(a.train, b.train)


def test_too_few_samples_is_refused(tiny):
    with pytest.raises(UsageError, match="has only 60 training samples"):
        make(tiny, samples_per_task=61)


def test_test_batches_hold_the_whole_test_set(tiny):
    stream = make(tiny)
    labels = torch.cat([y for _, y in stream.test_batches(stream.tasks[2])])
    assert labels.tolist() == tiny.test_labels.tolist()
