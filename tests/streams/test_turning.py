"""MNIST-360: which image is shown when, at what angle, in which batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cut_runs import interrupted, result
from PIL import Image

from cl_bench.config.compose import config_of
from cl_bench.datasets import load
from cl_bench.errors import UsageError
from cl_bench.results.record import read_accuracy
from cl_bench.run.build import choose, prepare
from cl_bench.run.execute import execute
from cl_bench.streams import base
from cl_bench.streams.base import Stream
from cl_bench.streams.turning import Turning, shared

CPU = torch.device("cpu")
SMALL = ("dataset=digits_360", "device=cpu", "device.threads=1")


def turning(seed=0, data=None, **options) -> Turning:
    settings = {**config_of([*SMALL]).dataset, "seed": seed, **options}
    settings = Turning.Settings.model_validate(settings)
    return Turning(settings, data or load("digits"), seed, CPU)


@pytest.fixture
def twelve(tiny):
    """Three classes of four training images each, and two test images each."""
    pixels = np.random.default_rng(5).integers(1, 256, (18, 5, 5), dtype=np.uint8)
    labels = np.array([0, 1, 2] * 6)
    return replace(
        tiny,
        train_images=pixels[:12],
        train_labels=labels[:12],
        test_images=pixels[12:],
        test_labels=labels[12:],
        classes=3,
        class_names=[],
    )


def test_a_batch_is_shared_in_proportion_to_what_is_left():
    assert shared([4, 4], 4) == [(2, 2), (2, 2)]
    # 6 of 9 are of the first: 3 of 4; then 3 of 5: 2, and what is left is 1 and 1
    assert shared([6, 3], 4) == [(3, 1), (2, 2)]
    # one at a time: a half is rounded to the even number, which is none
    assert shared([2, 2], 1) == [(0, 1), (1, 0), (0, 1)]
    # no batch has more than there is
    assert shared([1, 1], 16) == [(1, 1)]
    assert shared([3, 30], 64) == [(3, 30)]


def test_pairs_angles_and_batches_by_hand(twelve):
    """Three classes, one round: parts of two images; pairs (0, 1), (1, 2), (2, 0)."""
    stream = turning(data=twelve, classes=3, rounds=1, batch_size=4, draw="once")
    (task,) = stream.tasks
    assert stream.train.labels.tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0]
    assert stream.batch_sizes(task) == [4, 4, 4]
    # class j begins at (j - 1)·180 degrees and turns by 90 with each of its four images
    assert stream.train.degrees.tolist() == [
        *(180, 270), *(0, 90), *(180, 270), *(180, 270), *(0, 90), *(0, 90),
    ]  # fmt: skip
    # every image once
    assert sorted(stream.train.rows.tolist()) == list(range(12))
    # two test images of each class, half a turn apart
    assert stream.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert stream.test.degrees.tolist() == [0, 180] * 3
    batches = list(stream.train_batches(task))
    assert [y.tolist() for _, y in batches] == [[0, 0, 1, 1], [1, 1, 2, 2], [2, 2, 0, 0]]
    x = torch.cat([x for x, _ in batches])
    for shown, row, degrees in zip(x, stream.train.rows, stream.train.degrees, strict=True):
        expected = Image.fromarray(twelve.train_images[row]).rotate(degrees.item())
        assert np.array_equal((shown * 255).round().byte().numpy(), np.asarray(expected))


def test_parts_are_taken_from_the_last_and_what_is_left_of_one_is_not_shown(twelve):
    """Batches of one: of two parts of two images the first of a pair gives one (see above)."""
    stream = turning(data=twelve, classes=3, rounds=1, batch_size=1, draw="once")
    (task,) = stream.tasks
    assert stream.train.labels.tolist() == [1, 0, 1, 2, 1, 2, 0, 2, 0]
    assert stream.batch_sizes(task) == [1] * 9
    drawn = stream.draw_samples(0, torch.arange(12))
    zeros = drawn[torch.as_tensor(twelve.train_labels)[drawn] == 0].tolist()
    shown = stream.train.rows[stream.train.labels == 0].tolist()
    assert shown == [zeros[2], *zeros[:2]]
    # the angle follows what was shown
    assert stream.train.degrees[stream.train.labels == 0].tolist() == [180, 270, 0]


def test_images_are_drawn_anew_from_the_part():
    once, anew = turning(draw="once"), turning(draw="with_replacement")
    assert torch.equal(once.train.labels, anew.train.labels)
    assert torch.equal(once.train.degrees, anew.train.degrees)
    assert len(once.train.rows.unique()) == len(once.train.rows)
    distinct = len(anew.train.rows.unique()) / len(anew.train.rows)
    assert 0.55 < distinct < 0.75  # 1 - 1/e of the images
    assert not torch.equal(anew.train.rows, turning(seed=1).train.rows)
    assert torch.equal(anew.train.rows, turning(seed=0).train.rows)


@pytest.mark.parametrize("size", [1, 4, 16])
def test_batches_have_their_size_but_for_the_last_of_a_pair(size):
    stream = turning(batch_size=size)
    (task,) = stream.tasks
    sizes = [len(y) for _, y in stream.train_batches(task)]
    assert sizes == stream.batch_sizes(task)
    assert len(sizes) == stream.batches(task)
    assert max(sizes) == size
    assert sum(found < size for found in sizes) <= 27  # pairs
    assert sum(sizes) == stream.samples(task)


def test_three_rounds_of_nine_pairs_turn_every_class_once_round():
    stream = turning()
    labels, degrees = stream.train.labels, stream.train.degrees
    assert set(labels.tolist()) == set(range(9))
    for label in range(9):
        own = degrees[labels == label]
        assert own[0] == (label - 1) * 60 % 360
        turned = (own - own[0]) % 360
        assert (turned.diff() > 0).all()
        assert turned[-1] > 330
    present = [set(y.tolist()) for _, y in stream.train_batches(stream.tasks[0])]
    assert all(len(pair) <= 2 for pair in present)
    pairs = [tuple(sorted(pair)) for pair in present if len(pair) == 2]
    changes = [pair for pair, before in zip(pairs, [None, *pairs], strict=False) if pair != before]
    assert changes == [tuple(sorted((i, (i + 1) % 9))) for i in range(9)] * 3


def test_shuffled_has_the_same_images_in_full_batches():
    stream, other = turning(), turning(shuffled=True)
    assert torch.equal(stream.train.rows, other.train.rows)
    (task,) = other.tasks
    batches = [y for _, y in other.train_batches(task)]
    assert {len(y) for y in batches[:-1]} == {16}
    assert len(set(batches[0].tolist())) > 2
    assert torch.cat(batches).sort().values.equal(stream.train.labels.sort().values)
    assert stream.checksum() != other.checksum()


def test_the_sum_tells_the_draws_and_the_batch_size():
    sums = {
        turning(**options).checksum()
        for options in ({}, {"seed": 1}, {"draw": "once"}, {"batch_size": 8}, {"rounds": 2})
    }
    assert len(sums) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": 2}, "is one task; set it to 1"),
        ({"validation": 0.1}, "in the order of time and holds none out"),
        ({"classes": 11}, "has only 10"),
        ({"samples_per_task": 40}, "fewer than the 6 parts of dataset.rounds=3"),
    ],
)
def test_what_it_cannot_be_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        turning(**options)


def test_methods_that_need_boundaries_are_refused():
    for method in ("ewc", "gem", "agem", "lwf", "gdumb", "fdr", "hal", "joint"):
        with pytest.raises(
            UsageError, match=r"needs .* which dataset\.task_identity=none does not"
        ):
            choose(config_of([*SMALL, f"method={method}"]))


@pytest.mark.parametrize("method", ["single", "er", "mer", "agem_r", "gss", "der", "derpp", "mir"])
def test_methods_without_boundaries_learn_it(method):
    more = [] if method == "single" else ["memory.size=50"]
    if method == "mer":
        more += ["method.replay=3", "method.batches=1"]
    run = prepare(config_of([*SMALL, f"method={method}", "dataset.samples_per_task=200", *more]))
    (task,) = run.stream.tasks
    before = run.method.net.theta.clone()
    for x, y in run.stream.train_batches(task):
        run.scenario.observe(y)
        run.method.observe(x, y, None)
    assert run.method.finite()
    assert not torch.equal(before, run.method.net.theta)


@pytest.mark.parametrize("start", [0, 1, 5, 6, 11, 12, 13])
def test_it_goes_on_from_anywhere(twelve, monkeypatch, start):
    monkeypatch.setattr(base, "PREPARED_BATCH", 4)  # two batches are prepared at a time
    stream = turning(data=twelve, classes=3, rounds=1, batch_size=2, draw="once", epochs=2)
    (task,) = stream.tasks
    every = list(stream.train_batches(task))
    assert len(every) == stream.batches(task) == 12
    rest = list(stream.train_batches(task, start))
    assert len(rest) == max(0, 12 - start)
    for (x, y), (wanted_x, wanted_y) in zip(rest, every[start:], strict=True):
        assert torch.equal(x, wanted_x)
        assert torch.equal(y, wanted_y)
    seen = torch.cat([y for _, y in every[:start]] or [torch.empty(0, dtype=torch.int64)])
    assert stream.labels(task, start).tolist() == seen.tolist()[:12]


@pytest.mark.parametrize("saves", [1, 3])
def test_a_run_that_was_cut_off_ends_with_the_same_bits(tmp_path, saves):
    options = ["method=derpp", "memory.size=30", "dataset.samples_per_task=150"]
    cfg = config_of([*SMALL, *options, "checkpoint.every=0", "plots=false", "quiet=true"])
    execute(cfg, tmp_path / "whole", show_bar=False)
    interrupted(cfg, tmp_path / "cut", saves)
    execute(cfg, tmp_path / "cut", show_bar=False)
    assert result(tmp_path / "cut") == result(tmp_path / "whole")
    names, matrix = read_accuracy(tmp_path / "whole")
    assert names == ["classes 0-8, turning"]
    assert matrix.shape == (2, 1)


def test_it_is_a_stream_like_any():
    assert issubclass(Turning, Stream)
    stream = turning(normalize="standardize")
    x = torch.cat([x for x, _ in stream.test_batches(stream.tasks[0])])
    assert x.shape == (len(stream.test), 8, 8)
    assert stream.normalizer is not None
