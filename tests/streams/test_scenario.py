from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from cl_bench.streams.scenario import Scenario
from cl_bench.streams.task import UNKNOWN

CPU = torch.device("cpu")


def scenario(kind, identity="train", loss_outputs="scenario", target="classes"):
    tasks = [
        SimpleNamespace(index=i, classes=classes) for i, classes in enumerate([(0, 1), (2, 3)])
    ]
    stream = SimpleNamespace(
        settings=SimpleNamespace(
            scenario=kind, task_identity=identity, loss_outputs=loss_outputs, target=target
        ),
        tasks=tasks,
        classes=4,
    )
    return Scenario(stream, CPU), tasks


def test_domain_masks_nothing():
    masks, tasks = scenario("domain")
    masks.begin_task(tasks[0])
    logits = torch.randn(3, 4)
    assert masks.mask(logits, 0) is logits


def test_task_masks_all_but_its_classes():
    masks, tasks = scenario("task")
    masks.begin_task(tasks[1])
    masked = masks.mask(torch.zeros(2, 4), torch.tensor([0, 1]))
    assert masked.isfinite().tolist() == [[True, True, False, False], [False, False, True, True]]


def test_class_masks_what_was_not_seen():
    masks, tasks = scenario("class")
    assert masks.visible(0) is None
    masks.begin_task(tasks[0])
    assert masks.visible(1).tolist() == [True, True, False, False]
    masks.begin_task(tasks[1])
    assert masks.visible(torch.tensor([0, 0])).all()


@pytest.mark.parametrize("kind", ["task", "class"])
def test_every_output_may_count_in_the_loss_alone(kind):
    masks, tasks = scenario(kind, loss_outputs="all")
    learning = masks.while_learning()
    masks.begin_task(tasks[0])
    logits, label = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([1])
    # -2 + log(e + e**2 + e**3 + e**4)
    assert learning.loss(logits, label, 0).item() == pytest.approx(2.4401896)
    assert learning.mask(logits, 0) is logits
    assert masks.mask(logits, 0).isfinite().tolist() == [[True, True, False, False]]
    assert learning.classes == 4
    assert learning.multi_head().visible(0).tolist() == [True, True, False, False]


def test_else_the_loss_has_the_outputs_of_the_tests():
    masks, _ = scenario("class")
    assert masks.while_learning() is masks


def test_without_identity_classes_are_seen_with_their_samples():
    masks, tasks = scenario("class", "none")
    masks.begin_task(tasks[0])
    assert masks.visible(UNKNOWN) is None
    masks.observe(torch.tensor([3, 0, 3]))
    assert masks.visible(UNKNOWN).tolist() == [True, False, False, True]
    masks.begin_task(tasks[1])
    assert (
        masks.visible(torch.tensor([UNKNOWN, UNKNOWN])).tolist() == [[True, False, False, True]] * 2
    )


def test_with_identity_labels_tell_nothing():
    masks, tasks = scenario("class")
    masks.begin_task(tasks[0])
    masks.observe(torch.tensor([3]))
    assert masks.visible(0).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("identity", "in_training", "in_tests"),
    [("test", True, True), ("train", True, False), ("none", False, False)],
)
def test_what_a_method_is_told(identity, in_training, in_tests):
    masks, (task, _) = scenario("domain", identity)
    assert masks.in_training(task) is (task if in_training else None)
    assert masks.in_tests(task) is (task if in_tests else None)


@pytest.mark.parametrize("kind", ["task", "class"])
def test_loss_is_that_of_the_slice(kind):
    masks, tasks = scenario(kind)
    masks.begin_task(tasks[0])
    logits, labels = torch.randn(5, 4, requires_grad=True), torch.randint(0, 2, (5,))
    loss = masks.loss(logits, labels, 0)
    torch.testing.assert_close(
        loss, F.cross_entropy(logits[:, :2], labels, reduction="none"), rtol=0, atol=1e-6
    )
    loss.sum().backward()
    assert logits.grad[:, 2:].abs().max() == 0


@pytest.mark.parametrize("kind", ["domain", "task", "class"])
def test_the_loss_is_the_same_however_the_logits_lie(kind):
    masks, tasks = scenario(kind)
    masks.begin_task(tasks[0])
    logits, labels = torch.randn(64, 4, dtype=torch.float64), torch.randint(0, 2, (64,))
    found = []
    for laid_out in (logits, logits.t().contiguous().t()):
        leaf = laid_out.requires_grad_()
        losses = masks.loss(leaf, labels, 0)
        found.append(torch.cat([losses, torch.autograd.grad(losses.sum(), leaf)[0].flatten()]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-15)


def test_numbers_count_by_their_squared_error_and_are_no_classes():
    masks, tasks = scenario("domain", target="regression")
    masks.begin_task(tasks[0])
    masks.observe(torch.tensor([[0.5, 1.0, 2.0, 0.0]]))
    outputs = torch.tensor([[1.5, 1.0, 0.0, 0.0]])
    labels = torch.tensor([[0.5, 1.0, 2.0, 0.0]])
    assert masks.loss(outputs, labels, 0).tolist() == [1.25]  # (1 + 0 + 4 + 0) / 4
    assert masks.tally(outputs, labels, 0).tolist() == [1.0, 0.0, 4.0, 0.0]
