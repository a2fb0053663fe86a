"""A run that is taken up in the middle of a task goes on as if it had not been cut off."""

import copy

import pytest
import torch
from one_method import begin, learn_tasks, small_run

CHOICES = [
    ("method=ewc",),
    ("method=ewc", "method.fisher=empirical", "method.online=true", "method.decay=0.9"),
    ("method=ewc", "method.fisher_samples=35"),
    ("method=ewcpp", "method.every=4"),
    ("method=agem", "memory.size=80", "method.reference=16"),
    ("method=independent",),
    ("method=independent", "method.finetune=false"),
    ("method=multimodal",),
    ("method=mas", "method.optimizer.momentum=0.9"),
    ("method=mas", "method.importance_every=2"),
    ("method=si",),
    ("method=apd", "method.consolidate_every=2", "method.clusters=1", "method.gap=0.1"),
    ("method=apd-fixed", "method.sparsity=proximal"),
]


@pytest.mark.parametrize("overrides", CHOICES, ids=" ".join)
def test_continuation_is_bit_identical(overrides):
    run, other = small_run(*overrides), small_run(*overrides)
    learn_tasks(run, 1)
    task, last = run.stream.tasks[1:3]
    batches = list(run.stream.train_batches(task))
    begin(run, task)
    for x, y in batches[:3]:
        run.method.observe(x, y, task)
    saved = copy.deepcopy(run.method.state_dict())
    other.method.train(True)
    other.method.load_state_dict(saved)
    for each in (run, other):
        for x, y in batches[3:]:
            each.method.observe(x, y, task)
        each.method.end_task(task)
        begin(each, last)
        for x, y in each.stream.train_batches(last):
            each.method.observe(x, y, last)
        each.method.end_task(last)
    assert_equal(run.method.state_dict(), other.method.state_dict())
    assert run.method.diagnostics() == other.method.diagnostics()
    x, _ = next(run.stream.test_batches(task))
    assert torch.equal(run.method.logits(x, task), other.method.logits(x, task))


def assert_equal(a, b):
    assert type(a) is type(b)
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_equal(left, right)
    else:
        assert a == b
