"""Class splits: which samples and outputs a task has in every scenario, and what is refused."""

import numpy as np
import pytest
import torch

from cl_bench import datasets
from cl_bench.cli.main import main
from cl_bench.config.compose import config_of
from cl_bench.datasets import Arrays, load
from cl_bench.errors import UsageError
from cl_bench.run import build as building
from cl_bench.streams.scenario import Scenario

CPU = torch.device("cpu")


def config(dataset, *overrides):
    return config_of([f"dataset={dataset}", *(f"dataset.{o}" for o in overrides)])


def build(*overrides, dataset="digits_split"):
    return building.build_stream(config(dataset, *overrides), CPU)


def test_every_task_has_the_samples_of_its_classes_once():
    stream, digits = build(), load("digits")
    assert [task.name for task in stream.tasks] == [f"classes {c}-{c + 1}" for c in range(0, 10, 2)]
    seen = torch.cat([task.train for task in stream.tasks])
    assert sorted(seen.tolist()) == list(range(len(digits.train_labels)))
    for task in stream.tasks:
        labels = digits.train_labels[task.train.numpy()]
        assert set(labels) == set(task.classes)
        assert set(digits.test_labels[task.test.numpy()]) == set(task.classes)
        images = digits.train_images.reshape(-1, 64)
        for x, y in stream.train_batches(task):
            assert len(x) <= 10
            assert x.shape[1:] == (8, 8)
            assert x.max() <= 1
            row = (images == (x[0] * 255).round().byte().numpy().ravel()).all(1).nonzero()[0]
            assert y[0].item() in digits.train_labels[row]


@pytest.fixture
def colours(monkeypatch):
    """20 classes of random colour images of 4x6 in place of CIFAR-100."""
    draw = np.random.default_rng(0)
    labels = np.arange(80) % 20
    images = draw.integers(0, 256, (2, 80, 3, 4, 6), dtype=np.uint8)
    arrays = Arrays("c", images[0], labels, images[1], labels, 20, "0" * 64, "a test")
    monkeypatch.setattr(datasets, "load", lambda name, path, read: arrays)
    return arrays


def test_the_scrambled_layout_is_the_reshape_of_the_authors_code(colours):
    plain = build("tasks=4", dataset="cifar100_split")
    mixed = build("tasks=4", "layout=scrambled", dataset="cifar100_split")
    task = mixed.tasks[1]
    x, _ = next(mixed.test_batches(task))
    files = colours.test_images[task.test.numpy()].reshape(-1, 3 * 4 * 6)  # the rows of the files
    by_hand = files.reshape(
        -1, 4, 6, 3
    )  # height, width, colour: what the authors' network is given
    for row in range(4):
        for column in range(6):
            for colour in range(3):
                expected = by_hand[:, row, column, colour] / np.float32(255)
                np.testing.assert_array_equal(x[:, colour, row, column], expected)
    shown, _ = next(plain.test_batches(plain.tasks[1]))
    np.testing.assert_array_equal(shown.flatten(1), files / np.float32(255))
    assert shown.shape == x.shape == (20, 3, 4, 6)
    assert mixed.checksum() != plain.checksum()
    assert plain.checksum() == build("tasks=4", "layout=image", dataset="cifar100_split").checksum()


def test_the_scrambled_layout_is_another_run_and_for_colours_only():
    prints = {
        config("cifar100_superclass", *more).fingerprint()
        for more in ((), ("layout=image",), ("layout=scrambled",))
    }
    assert len(prints) == 2
    grey = config("digits_split")
    scrambled = {**grey.dataset, "layout": "scrambled"}
    with pytest.raises(UsageError, match=r"layout=scrambled: .* those of digits are 8x8"):
        building.build_stream(grey.model_copy(update={"dataset": scrambled}), CPU)


def test_scenario_decides_outputs_and_labels():
    for scenario, outputs in (("task", 10), ("class", 10), ("domain", 2)):
        stream = build(f"scenario={scenario}")
        assert stream.classes == outputs
        task = stream.tasks[3]
        assert task.classes == ((0, 1) if scenario == "domain" else (6, 7))
        for batches in (stream.train_batches, stream.test_batches):
            labels = torch.cat([y for _, y in batches(task)])
            assert set(labels.tolist()) == set(task.classes)


def test_masks_follow_the_scenario():
    logits = torch.zeros(1, 10)
    visible = {}
    for kind in ("task", "class"):
        stream = build(f"scenario={kind}")
        scenario = Scenario(stream, CPU)
        for task in stream.tasks[:2]:
            scenario.begin_task(task)
        visible[kind] = scenario.mask(logits, 1).isfinite()[0].nonzero().flatten().tolist()
    assert visible == {"task": [2, 3], "class": [0, 1, 2, 3]}


def test_class_order_natural_seeded_or_given():
    given = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    stream = build(f"class_order={given}")
    assert stream.tasks[0].name == "classes 9 8"
    labels = load("digits").train_labels
    # outputs are neighbours whatever the order: class 9 is output 0
    assert set(labels[stream.tasks[0].train.numpy()]) == {8, 9}
    assert stream.tasks[0].classes == (0, 1)
    row = stream.tasks[0].train[0]
    assert stream.train.labels[row] == 9 - labels[row]
    names = [task.name for task in build("class_order=seeded").tasks]
    assert names == [task.name for task in build("class_order=seeded").tasks]
    assert names != [task.name for task in build("class_order=seeded", "seed=1").tasks]


def test_only_the_first_classes():
    stream = build("classes=6", "tasks=3")
    assert len(stream.tasks) == 3
    assert stream.classes == 6
    assert sum(len(task.train) for task in stream.tasks) < 1498


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("tasks=3", "does not divide 10 classes"),
        ("class_order=random", "must be natural, seeded or a list"),
        ("class_order=[1,2]", "each of the classes 0 to 9 exactly once"),
        ("classes=12", "has only 10 classes"),
        ("samples_per_task=5000", "has only 291 training samples"),
        ("split=superclasses", "digits has none"),
        ("split=tasks", "digits gives no tasks"),
        ("tasks=null", "give the number of tasks"),
        ("order=[0,1]", "each of the tasks 0 to 4, and may name one again"),
        ("order=A", "for 10 or 20 tasks"),
        ("order=Z", "must be null, A, B"),
        ("tune_tasks=5", "leaves none of 5 tasks"),
        ("phase=tune", "set dataset.tune_tasks"),
        ("validation=0.001", "leaves some on both sides"),
        ("validation=0.999", r"it leaves 1 for training; choose a share that leaves some"),
        ("validation=0.004", "leaves some on both sides"),  # one sample to validate with
        ("blur=0.5", "without task identity"),
        ("path=x.npz", "dataset.source=digits reads no path; set it to null"),
    ],
)
def test_bad_values_are_one_clear_line(override, words):
    with pytest.raises(UsageError, match=words) as caught:
        build(override)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dataset.tasks=3"], "does not divide"),
        (["model=resnet18"], "needs images of at least 25x25"),
        (["dataset.class_order=foo"], "must be natural, seeded"),
    ],
)
def test_the_command_refuses_before_it_trains(arguments, words, tmp_path, capsys):
    code = main(
        ["method=single", "dataset=digits_split", *arguments, f"outputs={tmp_path}/out", "-q"]
    )
    error = capsys.readouterr().err
    assert code == 2
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_fine_tuning_collapses_to_the_last_task_in_the_class_scenario(tmp_path):
    results = {}
    for scenario in ("class", "task"):
        out = tmp_path / scenario
        options = [f"dataset.scenario={scenario}", "dataset.epochs=3", "device.threads=1"]
        code = main(
            [
                "method=single",
                "dataset=digits_split",
                *options,
                f"outputs={out}",
                "plots=false",
                "-q",
            ]
        )
        assert code == 0
        table = np.loadtxt(next(out.glob("*/accuracy.csv")), delimiter=",", skiprows=1)
        results[scenario] = table[-1]
    assert results["class"].mean() < 0.3  # about 1/T
    assert results["class"][:-1].max() < 0.2
    assert results["task"].mean() > 0.85
