"""What ``cl-bench new`` writes: a working choice of each kind, its YAML and its test."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template

from cl_bench.config import origins
from cl_bench.config.origins import ROOMS, shown
from cl_bench.errors import RunError, UsageError

METHOD = '''"""$title: say what it does, and where it is from (paper, equation)."""

from pydantic import Field

from cl_bench.methods.base import Method, MethodSettings


class $Class(Method):
    """g ← g + strength · (θ - θ*), with θ* the parameters after the last task."""

    # what it must be told of the task: also "identity in training", "identity in tests", ...
    needs = frozenset({"boundaries"})
    # abilities that it asks of a memory, such as "stream": it is then self.memory
    memory_needs = frozenset()

    class Settings(MethodSettings):
        # method.strength on the command line; lr and optimizer are there already
        strength: float = Field(ge=0)

    # all that later behaviour depends on: a run that is killed goes on to the bit
    kept = ("anchor",)
    anchor = None

    def observe(self, x, y, task):
        # x (b, ...) and y (b,) are seen once, and belong to the stream: do not change them in place
        g = self.gradient(x, y, task)  # of the scenario's loss, (P,), a view of self.net.grad
        if self.anchor is not None:
            g += self.settings.strength * (self.net.theta - self.anchor)
        self.step()  # θ ← θ - lr · g
        # for random numbers: torch.randn(3, generator=self.generator)

    def end_task(self, task):
        self.anchor = self.net.theta.clone()
'''
METHOD_YAML = """# @package _global_
# stay close to the weights after the last task | mine
defaults:
  - /common/optimizer@method.optimizer
  - override /memory: none      # a method with a memory: ring, reservoir, ...
  - _self_
method:
  name: $name
  lr: 0.03
  strength: 0.1        # of the pull
"""

MODEL = '''"""$title: a plain nn.Module; its constructor is told by the run, and by its YAML."""

from torch import nn


class $Class(nn.Module):
    """Two convolutions and a linear layer."""

    # told by the run: in_channels, classes (or num_classes), input_shape, in_features
    def __init__(self, in_channels: int, classes: int, width: int = 16, norm: bool = False):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.BatchNorm2d(width) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        """Logits (n, classes) for pictures x (n, C, H, W)."""
        return self.head(self.convolutions(x).mean((2, 3)))
'''
MODEL_YAML = """# two convolutions | mine
name: $name
width: 16            # channels
norm: false          # true: with BatchNorm
"""

MEMORY = '''"""$title: say what it keeps, and where it is from."""

import torch
from pydantic import Field

from cl_bench.config.schema import Section
from cl_bench.memory.base import Memory


class $Class(Memory):
    """The last ``size`` samples of the stream, whatever their task."""

    abilities = frozenset({"stream"})
    # beside what the base keeps (the samples): what later behaviour depends on
    kept = ("task", "seen")

    class Settings(Section):
        size: int = Field(ge=1)  # memory.size on the command line

    def __init__(self, settings, tasks, input_shape, device):
        self.size = settings.size
        self.seen = 0  # samples offered so far
        self.make_room(self.size, input_shape, device)
        self.task = torch.zeros(self.size, dtype=torch.int64, device=device)

    def add(self, x, y, task, generator=None, **columns):
        x, y = x[-self.size :], y[-self.size :]
        columns = {name: values[-self.size :] for name, values in columns.items()}
        rows = (torch.arange(len(y), device=self.device) + self.seen) % self.size
        self.write(rows, x, y, columns, slice(None))
        self.task[rows] = task
        self.seen += len(y)

    def __len__(self):
        return min(self.seen, self.size)

    def rows(self):
        return torch.arange(len(self))

    def task_ids(self, rows):
        return self.task[rows.to(self.task.device)].to(rows.device)
'''
MEMORY_YAML = """# the last samples of the stream | mine
name: $name
size: 200            # samples over all tasks
"""

STREAM = '''"""$title: say what the tasks are, and where they are from."""

from dataclasses import dataclass

import torch

from cl_bench.rng import generator
from cl_bench.streams.base import Stream
from cl_bench.streams.task import Task, Transform
from cl_bench.streams.transforms import to_unit


@dataclass(frozen=True)
class _Rolled(Transform):
    """Pictures that are moved to the right by so many pixels."""

    pixels: int

    def __call__(self, split, rows):
        return to_unit(split.take(rows).roll(self.pixels, dims=-1))

    def describe(self):
        return f"rolled {self.pixels}".encode()  # for the stream's checksum


class $Class(Stream):
    """T tasks on one dataset: the same pictures, each task's moved by another distance."""

    shares_classes = True  # every task has all classes

    def make_tasks(self):
        width = self.input_shape[-1]
        for index in range(self.settings.tasks):
            draw = generator(self.settings.seed, "tasks", index)  # dataset.seed and nothing else
            yield Task(
                index=index,
                identity=index,
                name=f"rolled {index + 1}",
                classes=tuple(range(self.classes)),
                transform=_Rolled(int(torch.randint(width, (), generator=draw))),
                train=self.draw_samples(index),
            )
'''
STREAM_YAML = """# digits that are moved sideways by another distance in each task | mine
defaults:
  - /common/stream@_here_
  - _self_
name: $name
source: digits           # the dataset that it shows
stream: $name
scenario: domain
tasks: 5
samples_per_task: 200    # null: the whole training set
"""

DATASET = '''"""$title: say what it is, and where it is from."""

import hashlib

import numpy as np

from cl_bench.datasets import Arrays


def load(noise: float = 0.1):
    """4 classes of 8x8 pictures. Options such as ``noise`` are set by dataset.read.noise.

    Pictures are uint8 (N, H, W) or (N, C, H, W), features float32 (N, D); labels int64 from 0.
    """
    draw = np.random.default_rng(0)
    y = np.arange(600) % 4
    x = draw.uniform(0, 255 * noise, (600, 8, 8))
    for label in range(4):  # a class is a bright quarter
        row, column = 4 * (label // 2), 4 * (label % 2)
        x[y == label, row : row + 4, column : column + 4] += 120
    x = x.clip(0, 255).astype(np.uint8)
    return Arrays(
        name="$name",
        train_images=x[:480], train_labels=y[:480],
        test_images=x[480:], test_labels=y[480:],
        classes=4,
        sha256=hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest(),  # other content, other runs
        origin="made up",
        class_names=("upper left", "upper right", "lower left", "lower right"),
    )
'''
DATASET_YAML = """# four quarters, two classes in each task | mine
defaults:
  - /common/stream@_here_
  - _self_
name: $name
source: $name            # datasets/$name.py
stream: class_split      # or permutations, rotations, a stream of your own
scenario: task           # task: identity known, own head | class: all classes seen so far
tasks: 2
split: null
class_order: natural
classes: null
"""

METRIC = '''"""$title: say what it tells, and where it is from."""

from cl_bench.metrics.base import metric


@metric("$title", "accuracy on the task that came out worst", better=1, shown=True)
def $name(run):
    """``run.matrix`` (T+1, T): row 0 untrained, row i after learning i tasks; None: undefined."""
    return run.matrix[-1].min()
'''

TEST = '''"""`cl-bench check` tries it: that it learns, goes on to the bit, and repeats itself."""

from pathlib import Path

from cl_bench.cli.main import main


def test_${name}():
    assert main(["check", str(Path(__file__).parents[1]), "$name"]) == 0
'''


@dataclass(frozen=True)
class Kind:
    """``yaml`` is the group that its YAML belongs to; ``use`` how it is run."""

    module: str
    yaml: str
    content: str
    use: Callable[[str], str]


KINDS = {
    "method": Kind(METHOD, "method", METHOD_YAML, lambda name: f"method={name}"),
    "model": Kind(MODEL, "model", MODEL_YAML, lambda name: f"model={name}"),
    "dataset": Kind(DATASET, "dataset", DATASET_YAML, lambda name: f"dataset={name}"),
    "stream": Kind(STREAM, "dataset", STREAM_YAML, lambda name: f"dataset={name}"),
    "memory": Kind(MEMORY, "memory", MEMORY_YAML, lambda name: f"method=er memory={name}"),
    "metric": Kind(METRIC, "", "", lambda name: "report"),
}


def write(kind: str, name: str, folder: Path) -> list[Path]:
    """The files of a new choice in the folder, which is made if it is not there.

    A :class:`UsageError` for a name that cannot be one or is taken; nothing is overwritten.
    """
    _check_name(kind, name, folder)
    found, values = KINDS[kind], {
        "name": name,
        "title": name.replace("_", " "),
        "Class": "".join(part[:1].upper() + part[1:] for part in name.split("_")),
    }  # fmt: skip
    contents = {folder / ROOMS[kind] / f"{name}.py": found.module}
    if found.yaml:
        contents[folder / "conf" / found.yaml / f"{name}.yaml"] = found.content
    contents[folder / "tests" / f"test_{name}.py"] = TEST
    if there := [path for path in contents if path.exists()]:
        raise UsageError(f"new {kind} {name}: {shown(there[0])} is there already; nothing written")
    for path, content in contents.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x") as file:
                file.write(Template(content).substitute(values))
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}") from None
    return list(contents)


def _check_name(kind: str, name: str, folder: Path) -> None:
    plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    if not plain or name != name.lower() or name.startswith("_") or name == "base":
        raise UsageError(
            f"new {kind} {name}: is no name; take small letters, digits and _, such as my_{kind}"
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--into {folder}: is a file; name a folder")
    for origin in origins.known():
        group = KINDS[kind].yaml
        taken = [origin.file(kind, name), origin.conf / group / f"{name}.yaml" if group else None]
        for path in filter(None, taken):
            if path.exists() and not path.is_relative_to(folder.resolve()):
                raise UsageError(f"new {kind} {name}: {shown(path)} has this name; choose another")
