"""Everything runs on a device that refuses what CUDA refuses, and gives the CPU's numbers."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch.utils.backend_registration
from conftest import ROOT, environment
from small_runs import METHODS, small

pytestmark = pytest.mark.xdist_group("fake device")  # its fixture is made once

if not hasattr(torch.utils.backend_registration, "_setup_privateuseone_for_python_backend"):
    pytest.skip("this torch has no devices in Python", allow_module_level=True)

SHORT = ("dataset.tasks=2", "dataset.samples_per_task=10", "dataset.batch_size=5")
# what takes long one operation at a time
FEWER = {
    "mer": ["method.kernel=generic", "method.replay=2", "method.batches=1"],
    "cmaml": ["method.glances=1"], "lamaml": ["method.glances=1"], "sync": ["method.glances=1"],
    "icarl": ["dataset=digits_split", "dataset.tasks=5", "dataset.samples_per_task=4"],
    "gdumb": ["method.passes=1"], "hal": ["method.anchor_steps=1"],
}  # fmt: skip
STREAMS = {
    "rotations": ["dataset=digits_rotations"],
    "blended rotations": ["dataset=digits_rotations", "dataset.sampling=bilinear"],
    "normalized": ["+dataset.normalize=standardize"],
    "classes": ["dataset=digits_split", "dataset.tasks=5", "dataset.scenario=class"],
    "heads": ["dataset=digits_split", "dataset.tasks=5", "dataset.scenario=task"],
    "blurred": ["dataset.blur=0.5"],
    "passes and held out": ["dataset.epochs=2", "dataset.validation=0.3"],
    "no boundaries": ["dataset.task_identity=none"],
    "returning": ["dataset.order=[0,1,0]"],
}
OWN = ["dataset=npz", "dataset.path=own.npz"]
MODELS = {
    "lenet": ["model.convolutions=[2,3]", "model.hidden=[9,8]"],
    "small_cnn": ["model.convolutions=[3,3,3]", "model.hidden=[9]"],
    "resnet18": ["model.width=2", *OWN],
}
WITHOUT_HIDDEN = [word for word in small("gem") if "hidden" not in word]
OTHERS = {
    "mas, local": small("mas", "method.scope=local"),
    "ewc, each sample": small("ewc", "method.fisher=empirical", "method.fisher_samples=10"),
    "er, adam": small("er", "method.optimizer.name=adam"),
    "er, clipped": small("er", "method.optimizer.clip=0.1"),
    "gem, bf16": small("gem", "device.precision=bf16"),
}
CASES = {
    **{method: [*small(method), *SHORT, *FEWER.get(method, [])] for method in METHODS},
    **{f"stream: {name}": [*small("er"), *SHORT, *words] for name, words in STREAMS.items()},
    **{
        f"model: {name}": [*WITHOUT_HIDDEN, *SHORT, f"model={name}", *words]
        for name, words in MODELS.items()
    },
    **{name: [*words, *SHORT] for name, words in OTHERS.items()},
    "gem: nothing is violated": small("gem", *SHORT, "method.lr=1e-9"),
}  # fmt: skip
# how often the CPU waits in a step, where it does: GEM for its inner products and, where one is
# violated, for the Gram matrix
WAITS = {"gem": 2, "gdumb": 2, "gss": 1, "lwf": 4, "mir": 1}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each case came to, of one process for all: the device is for good."""
    place = tmp_path_factory.mktemp("runs")
    draw = np.random.default_rng(0)
    own = {
        f"{what}_{part}": values
        for part, count in (("train", 20), ("test", 10))
        for what, values in {
            "x": draw.integers(0, 256, (count, 25, 25), dtype=np.uint8),
            "y": draw.integers(0, 4, count), "t": np.arange(count) % 2,
        }.items()
    }  # fmt: skip
    np.savez(place / "own.npz", **own)
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "on_fake_device.py", place], input=json.dumps(CASES),
        env=environment({"PYTHONWARNINGS": "ignore"}), cwd=place, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("case", CASES)
def test_on_a_device_it_is_what_it_is_on_the_cpu(case, told):
    found = told[case]
    assert "error" not in found, found["error"]
    assert found["difference"] < 1e-6
    method = next(word for word in CASES[case] if word.startswith("method="))[7:]
    assert sum(found["waits"].values()) <= WAITS.get(method, 0), found["waits"]


def test_a_gem_step_that_violates_nothing_waits_once(told):
    assert told["gem: nothing is violated"]["waits"] == {"_to_copy": 1}


REFUSED = {
    "two devices": "torch.zeros(3, device=d) + torch.ones(3)",
    "in place": "torch.ones(()).add_(torch.zeros((), device=d))",
    "an index there": "torch.ones(3)[torch.zeros(1, dtype=torch.int64, device=d)]",
    "a generator": "torch.rand(3, generator=torch.Generator(), device=d)",
    "numpy": "torch.zeros(3, device=d).numpy()",
    "float64": "torch.zeros(3, device=d).double()",
}
COUNTED = {
    "item": "torch.zeros(1, device=d).item()",
    "if": "bool(torch.zeros(1, device=d) > 0)",
    "tolist": "torch.zeros(3, device=d).tolist()",
    "cpu": "torch.zeros(3, device=d).cpu()",
    "mask": "torch.zeros(3, device=d)[torch.ones(3, device=d) > 0]",
    "nonzero": "torch.zeros(3, device=d).nonzero()",
    "nothing": "torch.zeros(3, device=d).add_(1)[torch.tensor([0, 1])] * torch.tensor(2.0)",
}


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """The device's own answers: what it refuses, and how often each of these waits."""
    script = """
import json, sys, torch, fake_device
d, found = fake_device.DEVICE, {}
for name, code in json.load(sys.stdin).items():
    for mode in (torch.no_grad(), torch.inference_mode()):
        fake_device.waits.clear()
        with fake_device.Device(), mode:
            try:
                eval(code)
                found.setdefault(name, []).append(sum(fake_device.waits.values()))
            except (RuntimeError, TypeError):
                found.setdefault(name, []).append("refused")
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(REFUSED | COUNTED), env=environment(),
        cwd=ROOT / "tests", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("what", [*REFUSED, *COUNTED])
def test_the_device_refuses_and_counts(what, device):
    expected = "refused" if what in REFUSED else int(what != "nothing")
    assert device[what] == [expected] * 2
