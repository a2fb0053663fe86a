from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from cl_bench.streams.scenario import Scenario

CPU = torch.device("cpu")


def scenario(kind):
    tasks = [
        SimpleNamespace(index=i, classes=classes) for i, classes in enumerate([(0, 1), (2, 3)])
    ]
    stream = SimpleNamespace(settings=SimpleNamespace(scenario=kind), tasks=tasks, classes=4)
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
