"""Classes and arrays stand where names can."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import cl_bench
from cl_bench.config import registry
from cl_bench.config.choices import choices
from cl_bench.methods.base import Method, MethodSettings
from cl_bench.streams.permutations import Permutations

SHORT = {"plots": False, "device.threads": 1, "dataset.tasks": 2}


class Lazy(Method):
    """Learns every second batch; names what it needs to go on."""

    kept = ("count",)

    class Settings(MethodSettings):
        every: int = 2

    def __init__(self, settings, context):
        super().__init__(settings, context)
        self.count = 0

    def observe(self, x, y, task):
        self.count += 1
        if self.count % self.settings.every == 0:
            super().observe(x, y, task)


class Wide(nn.Module):
    """As anybody writes one, with BatchNorm."""

    def __init__(self, in_features: int, classes: int, width: int = 8):
        super().__init__()
        self.first = nn.Linear(in_features, width)
        self.norm = nn.BatchNorm1d(width)
        self.last = nn.Linear(width, classes)

    def forward(self, x):
        return self.last(self.norm(self.first(x.flatten(1))).relu())


class Mirrored(Permutations):
    """A stream of one's own."""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_objects", {})


@pytest.fixture
def arrays():
    draw = np.random.default_rng(0)
    y = draw.integers(0, 4, 200)
    return {"x": draw.normal(size=(200, 6)) + 3 * np.eye(4, 6)[y], "y": y}


def test_classes_of_ones_own(arrays):
    result = cl_bench.run(
        method=Lazy, model=Wide, dataset=arrays, **SHORT,
        **{"method.lr": 0.1, "method.every": 3, "model.width": 5},
    )  # fmt: skip
    assert result.config["method"]["name"] == "Lazy"
    assert result.config["model"] == {"name": "Wide", "width": 5}
    assert result.directory.name.startswith("Lazy-npz-Wide-")
    always = cl_bench.run(
        method=Lazy, model=Wide, dataset=arrays, **SHORT,
        **{"method.lr": 0.1, "method.every": 1, "model.width": 5},
    )  # fmt: skip
    single = cl_bench.run(
        method="single", model=Wide, dataset=arrays, **SHORT,
        **{"method.lr": 0.1, "model.width": 5},
    )  # fmt: skip
    assert np.array_equal(always.matrix, single.matrix)
    assert not np.array_equal(result.matrix, single.matrix)


def test_a_stream_of_ones_own():
    options = {
        "dataset": "digits_permutations", "dataset.samples_per_task": 50, "method": "single",
        "model.hidden": [5], **SHORT,
    }  # fmt: skip
    own = cl_bench.run(**options, **{"dataset.stream": Mirrored})
    assert own.config["dataset"]["stream"] == "Mirrored"
    assert np.array_equal(own.matrix, cl_bench.run(**options).matrix)


def test_a_stream_of_ones_own_on_arrays_of_ones_own(arrays):
    own = cl_bench.run(
        method="single", dataset=arrays, **SHORT,
        **{"dataset.stream": Mirrored, "dataset.scenario": "domain"},
    )  # fmt: skip
    assert own.config["dataset"]["stream"] == "Mirrored"
    assert "split" not in own.config["dataset"]


def test_a_sweep_brings_classes_to_its_workers(arrays):
    found = cl_bench.sweep(
        method=[Lazy, "single"], model=Wide, jobs=2, dataset=arrays, **SHORT, **{"method.lr": 0.1}
    )
    assert list(found["problem"]) == [None, None]
    assert list(found["method.name"]) == ["Lazy", "single"]


def test_arrays_are_the_dataset_of_a_file(arrays):
    """They are named by their content, and a run on them can be asked later."""
    result = cl_bench.run(method="single", dataset=arrays, **SHORT, **{"model.hidden": [5]})
    path = Path(result.config["dataset"]["path"])
    assert path.parent == Path("outputs/.arrays")
    held = np.load(path)
    assert len(held["x_test"]) + len(held["x_train"]) == 200
    assert 30 <= len(held["x_test"]) <= 40  # every fifth of a class
    assert set(held["y_test"]) == {0, 1, 2, 3}
    same = cl_bench.run(method="single", dataset=dict(arrays), **SHORT, **{"model.hidden": [5]})
    assert same.directory == result.directory
    other = {**arrays, "x": arrays["x"] + 1}
    assert cl_bench.run(
        method="single", dataset=other, **SHORT, **{"model.hidden": [5]}
    ).directory != result.directory  # fmt: skip
    assert len(cl_bench.load("outputs")) == 2


def test_text_tasks_and_a_test_set_of_ones_own(arrays):
    names = np.array(["a", "b", "c", "d"])[arrays["y"]]
    site = np.where(np.arange(200) % 2, "north", "south")
    data = {"x": torch.tensor(arrays["x"]), "y": names.astype(object), "task": site}
    data |= {f"{key}_test": value[:60] for key, value in data.items()}
    result = cl_bench.run(
        method="single", dataset=data, plots=False,
        **{"dataset.scenario": "domain", "model.hidden": [5]},
    )  # fmt: skip
    assert sorted(result.tasks) == ["north", "south"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": Wide}, "method: takes a name or a class derived from Method, not Wide"),
        ({"model": nn.Linear(2, 3)}, "model: takes a name or a class derived from nn.Module, not"),
        ({"method": 3}, r"not an object \(int\)"),
        ({"dataset": {"x": np.ones((3, 2)), "z": 1}}, "has no array z"),
        ({"dataset": {"x": np.ones((3, 2))}}, "needs the array y"),
        ({"dataset": {"x": np.ones((3, 2)), "y": [0, 1]}}, "y has 2 samples, x must have as many"),
        ({"dataset": {"x": [["a", "b"]], "y": [0]}}, "x must hold numbers"),
        ({"dataset": {"x": [[1, 2]], "y": [0], "x_test": [[1, 2]]}}, "a test set needs x_test"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_told(options, words):
    with pytest.raises(cl_bench.UsageError, match=words):
        cl_bench.run(**{"method": "single", **options})
    assert not Path("outputs").exists()


def test_a_folder_of_ones_own_is_included(own):
    text = "from cl_bench.methods.base import Method\n\n\nclass Same(Method):\n    pass\n"
    own.write("methods/same.py", text)
    own.write("conf/method/same.yaml", "# as single | a test\ndefaults:\n  - single\n")
    cl_bench.include([own.folder])
    assert "same" in choices("method")


def test_a_name_that_is_taken_is_told():
    single = type("single", (Method,), {})
    with pytest.raises(cl_bench.UsageError, match="method=single: is a choice already"):
        cl_bench.run(method=single, **SHORT)
