"""device.precision=bf16: what it changes, what it is called, where it is refused."""

import json

import numpy as np
import pytest
import torch
from one_method import learn_tasks, small_run
from small_runs import small

from cl_bench.network import linear_stack
from cl_bench.results.record import read_accuracy
from cl_bench.run import build
from cl_bench.run.evaluate import evaluate

BF16 = "device.precision=bf16"


@pytest.fixture(autouse=True)
def a_processor_that_has_it(monkeypatch):
    """The numbers are the same on one that has not, only slower."""
    monkeypatch.setattr(build, "multiplies_bf16", lambda device: True)


def test_memory_gradients_are_those_of_rounded_factors():
    found = []
    for words in ([], [BF16]):
        run = small_run("method=gem", "memory.size=40", *words)
        run.method.net.theta.copy_(torch.linspace(-0.3, 0.3, run.method.net.size).sin())
        images = [run.stream.tasks[k].transform(run.stream.train, slice(0, 10)) for k in (0, 1)]
        x, y = torch.stack(images), run.stream.train.labels[:10]
        net, out = run.method.net, torch.empty(2, run.method.net.size)

        def loss(logits, part, run=run, y=y):
            return run.scenario.loss(logits, y.repeat(2)[part], 0)

        net.group_gradients(net.groups(x, [10, 10]), loss, out).formed()
        found.append(out)
    exact, rounded = found
    assert not torch.equal(exact, rounded)
    assert (torch.cosine_similarity(exact, rounded) > 0.999).all()
    assert rounded.dtype == torch.float32


@pytest.mark.parametrize("method", ["single", "independent", "apd"])
@pytest.mark.parametrize("stream", ["permutations", "rotations"])
def test_evaluation_is_that_of_rounded_factors(stream, method):
    dataset = f"dataset=digits_{stream}"
    exact = small_run(f"method={method}", dataset)
    rounded = small_run(f"method={method}", dataset, BF16)
    for run in (exact, rounded):
        learn_tasks(run, 2)
    assert torch.equal(exact.method.net.theta, rounded.method.net.theta)  # learned in float32
    assert np.abs(evaluate(rounded) - evaluate(exact)).max() < 0.03


@pytest.mark.parametrize("stream", [["dataset=digits_permutations"],
                                    ["dataset=digits_split", "dataset.tasks=5"]])  # fmt: skip
def test_a_stack_is_tested_in_it_whatever_the_stream_shows(stream, monkeypatch):
    """Also where each task has a test set of its own."""
    seen = []
    product = linear_stack.product
    monkeypatch.setattr(linear_stack, "product", lambda *a: seen.append(a[2]) or product(*a))
    for words, expected in ([], set()), ([BF16], {torch.bfloat16}):
        seen.clear()
        evaluate(small_run("method=single", *stream, *words))
        assert set(seen) == expected


def test_it_has_a_name_and_a_directory_of_its_own(inline, tmp_path):
    plain = inline(*small("gem"))[1].splitlines()[-1]
    path = inline(*small("gem"), BF16)[1].splitlines()[-1]
    assert "-bf16-seed0-" in path
    assert "bf16" not in plain
    assert inline(*small("gem"), "device.precision=float32")[1].splitlines()[-1] == plain
    assert not np.isnan(read_accuracy(tmp_path / path)[1]).any()
    rows = json.loads(inline("report", "outputs", "--format", "json")[1])["rows"]
    assert sorted(str(row["device.precision"]) for row in rows) == ["bf16", "–"]
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 8, 8), dtype=np.uint8))
    assert inline("predict", path, "x.npz")[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=small_cnn"], "choose model=mlp or device.precision=float32"),
        (["device.precision=fp8"], "device.precision"),
    ],
)
def test_where_it_means_nothing_it_is_refused(inline, words, sentence):
    code, out, err = inline("method=single", "dataset=digits_permutations", BF16, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err


def test_a_processor_without_it_is_no_place_for_it(inline, monkeypatch):
    monkeypatch.setattr(build, "multiplies_bf16", lambda device: False)
    code, out, err = inline(*small("single"), BF16)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "no instructions for it" in err


def test_an_apple_gpu_is_chosen_by_name_alone(inline):
    if torch.backends.mps.is_available():
        pytest.skip("there is one here")
    code, out, err = inline(*small("single"), "device=mps")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "no Apple GPU here; choose device=cpu" in err
