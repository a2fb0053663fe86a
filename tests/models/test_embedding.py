"""``model=embedding`` through the command line."""

import json

import numpy as np
import pytest
from small_runs import METHODS, small

from cl_bench.config.choices import implementation
from cl_bench.config.registry import declared
from cl_bench.datasets import load

SPLIT = ("dataset=digits_split", "dataset.scenario=class", "model=embedding", "model.size=16",
         "device=cpu", "device.threads=1", "plots=false", "-q")  # fmt: skip


def test_classes_come_without_weights_and_a_finished_model_answers(inline, tmp_path):
    code, out, error = inline("method=single", *SPLIT, "evaluate_every=[0.5]")
    assert code == 0, error
    directory = tmp_path / out.splitlines()[-1]
    metrics = json.loads((directory / "metrics.json").read_text())
    assert metrics["la"] > 0.5  # among the classes seen so far, each without weights of its own
    digits = load("digits")
    np.savez(tmp_path / "in.npz", x=digits.test_images, y=digits.test_labels)
    assert inline("predict", str(directory), "in.npz")[0] == 0
    found = np.load(tmp_path / "predictions.npz")["y"]
    assert (found == digits.test_labels).mean() == pytest.approx(metrics["acc"], abs=0.03)


def test_a_run_that_is_cut_off_has_the_same_means(inline, tmp_path, monkeypatch):
    from cl_bench.run import learn

    short = (
        "method=er",
        "memory.size=20",
        *SPLIT,
        "dataset.samples_per_task=60",
        "checkpoint.every=0",
    )
    whole = inline(*short, "outputs=whole")[1].splitlines()[-1]
    meet, count = learn.Run.pass_over, []

    def stop(self, task, batches=None):
        count.append(task)
        if len(count) == 3:
            raise KeyboardInterrupt
        return meet(self, task, batches)

    monkeypatch.setattr(learn.Run, "pass_over", stop)
    assert inline(*short, "outputs=cut")[0] == 130
    monkeypatch.undo()
    cut = inline(*short, "outputs=cut")[1].splitlines()[-1]
    for name in ("accuracy.csv", "model.safetensors"):
        a, b = ((tmp_path / place / name).read_bytes() for place in (whole, cut))
        assert a == b


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_an_embedding_or_says_why_not(inline, method):
    file = implementation("method", method)
    split = ("dataset=digits_split", "dataset.tasks=5", "model=embedding", "model.size=4")
    code, _, error = inline(*small(method, *split))
    if method == "multimodal":
        assert "choose model=multimodal" in error
    elif "an output per class" in declared("method", file, "needs"):
        assert code == 2
        assert f"method={method} needs a network with weights for each class, which " in error
        assert "model=embedding does not allow; choose model=mlp" in error
    else:
        assert code == 0, error
