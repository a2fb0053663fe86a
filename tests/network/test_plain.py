"""Modules that were not written for cl-bench, in a folder of one's own."""

import pytest

from cl_bench.config.compose import config_of
from cl_bench.errors import UsageError
from cl_bench.run.build import prepare

# as in torchvision: num_classes, pictures with channels, options with defaults, further parts
PLAIN = """
import torch
from torch import nn


class _Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return x + self.conv(x).relu()


class Net(nn.Module):
    def __init__(self, in_channels: int, num_classes: int = 1000, width: int = 8,
                 norm: bool = True, layer: type[nn.Module] | None = None):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, width, 3)
        self.norm = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.block = _Block(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.head(self.block(self.norm(self.stem(x))).mean((2, 3)))
"""
SMALL = ("dataset=digits_permutations", "dataset.tasks=2", "dataset.samples_per_task=60",
         "device=cpu", "device.threads=1", "plots=false")  # fmt: skip


@pytest.fixture
def net(own):
    own.write("models/net.py", PLAIN)
    own.write("conf/model/net.yaml", "# a net | mine\nname: net\nwidth: 4\nnorm: true\n")
    return own


@pytest.mark.parametrize("norm", ["true", "false"])
@pytest.mark.parametrize("method", ["method=single", "method=gem memory.size=20"])
def test_it_learns_with_and_without_batch_norm(net, inline, method, norm):
    words = ["--include", "mylab", *method.split(), "model=net", f"model.norm={norm}", *SMALL]
    code, out, err = inline(*words)
    assert code == 0, err
    assert "-net-" in out.splitlines()[-1]


def test_its_arguments_are_checked_as_options(net, inline):
    net.include()
    run = prepare(config_of(["method=single", "model=net", *SMALL]))
    assert run.method.net.module.stem.weight.shape == (4, 1, 3, 3)
    assert set(run.method.net.module.state_dict()) > {"stem.weight", "head.bias"}  # its own names
    with pytest.raises(UsageError, match=r"model.width=four: .*valid integer"):
        prepare(config_of(["method=single", "model=net", "model.width=four", *SMALL]))
    with pytest.raises(UsageError, match=r"model.widht: no such option; did you mean 'width'"):
        prepare(config_of(["method=single", "model=net", "+model.widht=1", *SMALL]))
    code, out, _ = inline("--include", "mylab", "ls", "model=net")
    assert code == 0
    assert "model.width" in out


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("Conv2d(in_channels,", "Conv2d(3,", r"inputs \(n, 1, 8, 8\): .*net.py, line \d+"),
        ("mean((2, 3)))", "mean((2, 3)).sum(0))", r"it gives \(10,\), it must give logits \(2, 10"),
        # what Python says, 3.11 and later
        ("norm: bool = True,", "norm,", "non-default argument|without a default follows"),
    ],
)
def test_what_is_no_classifier_is_told_before_anything_is_written(net, old, new, sentence):
    net.write("models/net.py", PLAIN.replace(old, new))
    net.include()
    with pytest.raises(UsageError, match=sentence):
        prepare(config_of(["method=single", "model=net", *SMALL]))
