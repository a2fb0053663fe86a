"""The exported network, in a program without cl-bench, answers as ``predict`` does."""

import importlib.util
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from cl_bench.datasets import load
from cl_bench.run.load import load as load_run

SHORT = (
    "dataset=digits_split", "dataset.tasks=2", "dataset.samples_per_task=80", "model.hidden=[12,9]",
    "plots=false", "device.threads=1", "-q",
)  # fmt: skip


class Bare(nn.Module):
    """A module of the user's own: the exported names are those of ``layers``."""

    def __init__(self, *widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


def finished(inline, tmp_path, *words):
    code, out, error = inline(*words, *SHORT)
    assert code == 0, error
    digits = load("digits")
    np.savez(tmp_path / "test.npz", x=digits.test_images)
    return out.splitlines()[-1]


def predicted(inline, tmp_path, run, task):
    code, _, error = inline("predict", run, "test.npz", "--task", str(task))
    assert code == 0, error
    return np.load(tmp_path / "predictions.npz")["y"]


def answers(logits, facts):
    counted = facts["counted"]
    return np.array(facts["labels"])[counted][logits[:, counted].argmax(1)]


def facts_of(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["cl_bench"])


METHODS = {
    "gem": ("memory.size=40",), "mer": ("memory.size=40", "dataset.samples_per_task=30"), "apd": (),
    "independent": ("method.width=whole",), "packnet": (), "multimodal": (),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_bare_module_answers_as_predict_does(inline, tmp_path, method):
    run = finished(inline, tmp_path, f"method={method}", *METHODS[method])
    x = torch.from_numpy(load("digits").test_images).float() / 255
    for task in (1, 2):
        code, out, error = inline("export", run, "--task", str(task), "--out", "it.safetensors")
        assert code == 0, error
        assert out.splitlines()[-1] == "it.safetensors"
        bare = Bare(64, 12, 9, 10)
        bare.load_state_dict(load_file(tmp_path / "it.safetensors"))  # every name, no other
        facts = facts_of(tmp_path / "it.safetensors")
        with torch.no_grad():
            found = answers(bare(x).numpy(), facts)
        np.testing.assert_array_equal(found, predicted(inline, tmp_path, run, task))
        assert (facts["task"], facts["method"], facts["shown"]) == (task, method, "plain")


def test_an_export_tells_that_a_transform_is_not_in_it(inline):
    code, out, error = inline("method=single", *SHORT, "dataset=digits_permutations")
    assert code == 0, error
    told = inline("export", out.splitlines()[-1])[1]
    assert "shown to it by a transform (gather)" in told


def test_a_normalization_is_exported(inline, tmp_path):
    draw = np.random.default_rng(0)
    x, y = draw.normal(3, 2, (200, 5)).astype("f4"), draw.integers(0, 4, 200)
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x[:50], y_test=y[:50])
    code, out, error = inline(
        "method=single", "dataset=npz", "dataset.path=own.npz", "dataset.tasks=2",
        "dataset.normalize=standardize", "model.hidden=[8]", "plots=false", "-q",
    )  # fmt: skip
    assert code == 0, error
    run = out.splitlines()[-1]
    assert inline("export", run)[0] == 0
    facts = facts_of(tmp_path / "exported.safetensors")
    bare = Bare(5, 8, 4)
    bare.load_state_dict(load_file(tmp_path / "exported.safetensors"))
    shift, scale = (np.array(facts["normalize"][key]) for key in ("shift", "scale"))
    with torch.no_grad():
        found = answers(bare(torch.from_numpy((x - shift) / scale).float()).numpy(), facts)
    np.savez(tmp_path / "test.npz", x=x)
    np.testing.assert_array_equal(found, predicted(inline, tmp_path, run, 2))


def test_running_statistics_are_exported_too(inline, tmp_path):
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (60, 28, 28), dtype=np.uint8), draw.integers(0, 4, 60)
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    code, out, error = inline(
        "method=single", "model=resnet18", "model.width=1", "dataset=npz", "dataset.path=own.npz",
        "dataset.tasks=2", "plots=false", "-q", "device.threads=1",
    )  # fmt: skip
    assert code == 0, error
    code, _, error = inline("export", out.splitlines()[-1])
    assert code == 0, error
    run = load_run(tmp_path / out.splitlines()[-1])
    exported = load_file(tmp_path / "exported.safetensors")
    assert any("running_mean" in name for name in exported)
    for name, value in run.method.net.module.state_dict().items():
        assert torch.equal(exported[name], value)


def test_onnx_computes_the_same(inline, tmp_path):
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    from onnx.reference import ReferenceEvaluator

    run = finished(inline, tmp_path, "method=apd")
    code, _, error = inline("export", run, "--task", "1", "--out", "it.onnx")
    assert (code, error) == (0, "")
    model = onnx.load(tmp_path / "it.onnx")
    facts = json.loads({p.key: p.value for p in model.metadata_props}["cl_bench"])
    x = load("digits").test_images.astype("f4") / 255
    (logits,) = ReferenceEvaluator(model).run(["logits"], {"x": x})
    np.testing.assert_array_equal(answers(logits, facts), predicted(inline, tmp_path, run, 1))


def test_what_cannot_be_exported_is_one_sentence(inline, tmp_path, monkeypatch):
    run = finished(inline, tmp_path, "method=icarl", "memory.size=40")
    for words, sentence in (
        ((run,), "method=icarl does not answer by the outputs of a network alone"),
        ((run, "--task", "3"), "the run has the tasks 1 to 2"),
        ((run, "--out", "it.pt"), "must end in .safetensors or .onnx"),
        ((run, "--out", f"{run}/model.safetensors"), "is in the run's directory"),
    ):
        code, _, error = inline("export", *words)
        assert code == 2
        assert sentence in error
        assert len(error.splitlines()) == 1
    assert not list(tmp_path.glob("*.safetensors"))
    run = finished(inline, tmp_path, "method=single")
    find = importlib.util.find_spec
    found = lambda name, *more: None if name == "onnxscript" else find(name, *more)  # noqa: E731
    monkeypatch.setattr("importlib.util.find_spec", found)
    code, _, error = inline("export", run, "--out", "it.onnx")
    assert (code, error) == (2, "cl-bench: ONNX is not installed: pip install 'cl-bench[onnx]'\n")
