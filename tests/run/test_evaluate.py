import numpy as np
import pytest
import torch
from one_method import learn_tasks, small_run

from cl_bench.run.evaluate import evaluate

STREAMS = {
    "permutations": ["dataset=digits_permutations"],
    "rotations": ["dataset=digits_rotations"],
    "blended rotations": ["dataset=digits_rotations", "dataset.sampling=bilinear"],
    "normalized": ["dataset=digits_permutations", "+dataset.normalize=standardize"],
    "classes": ["dataset=digits_split", "dataset.tasks=5", "dataset.scenario=class"],
}
METHODS = {
    "one network": ["method=single"],
    "a network per task": ["method=independent"],
    "an input layer per task": ["method=multimodal"],
    "parameters made for a task": ["method=apd"],
}


def by_hand(run):
    """What evaluate must give: every task's inputs, shown its way, through ``logits``."""
    accuracy = []
    run.method.train(False)
    for task in run.stream.tasks:
        right = []
        for x, y in run.stream.test_batches(task):
            with torch.no_grad():
                logits = run.scenario.mask(run.method.logits(x, task), task.index)
            right.append(logits.argmax(1) == y)
        accuracy.append(torch.cat(right).double().mean().item())
    return accuracy


# without being told the task in tests, one network alone can answer
PAIRS = [
    (stream, method)
    for stream in STREAMS
    for method in METHODS
    if stream != "classes" or method == "one network"
]


@pytest.mark.parametrize(("stream", "method"), PAIRS)
def test_it_is_the_accuracy_of_the_logits(stream, method):
    run = small_run(*STREAMS[stream], *METHODS[method])
    for learned in (0, 2):
        learn_tasks(run, learned)
        # a sum in another order may decide a sample that two classes claim alike
        samples = len(run.stream.test)
        assert np.abs(evaluate(run) - by_hand(run)).max() <= 1.01 / samples


def test_only_the_tasks_that_are_asked_for():
    run = small_run("method=single")
    whole = evaluate(run)
    some = evaluate(run, run.stream.tasks[1:3])
    assert np.isnan(some[[0, 3]]).all()
    np.testing.assert_array_equal(some[1:3], whole[1:3])


def test_a_method_with_logits_of_its_own_is_asked_for_them(monkeypatch):
    run = small_run("method=single")

    class Upside(type(run.method)):
        def logits(self, x, task):
            return -self.net(x)

    learn_tasks(run, 1)
    before = evaluate(run)
    run.method.__class__ = Upside
    assert evaluate(run)[0] < before[0]
    np.testing.assert_array_equal(evaluate(run), by_hand(run))
