from __future__ import annotations

import math

import pytest
import torch

from cl_bench.config.schema import check
from cl_bench.methods.parts.optimizer import Optimizer, OptimizerSettings

CPU = torch.device("cpu")
TORCH = {
    "sgd": lambda p: torch.optim.SGD([p], 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam([p], 0.1, (0.8, 0.99), 1e-6, 0.01, fused=True),
    "adamw": lambda p: torch.optim.AdamW([p], 0.1, (0.8, 0.99), 1e-6, 0.01, fused=True),
}


def optimizer(**changes):
    return Optimizer(check(changes, OptimizerSettings), 0.1, CPU)


def chosen(name):
    if name == "sgd":
        return optimizer(name="sgd", momentum=0.9, nesterov=True, weight_decay=0.01)
    return optimizer(name=name, betas=[0.8, 0.99], eps=1e-6, weight_decay=0.01)


def gradients(n):
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(5, generator=draw) for _ in range(n)]


@pytest.mark.parametrize("name", TORCH)
def test_steps_are_those_of_torch(name):
    theta, reference = torch.ones(5), torch.ones(5)
    ours, theirs = chosen(name), TORCH[name](reference)
    for g in gradients(4):
        reference.grad = g.clone()
        theirs.step()
        ours.step([theta], [g.clone()])
    assert torch.equal(theta, reference)
    assert not torch.equal(theta, torch.ones(5))


@pytest.mark.parametrize("name", TORCH)
def test_moments_are_kept_and_restored(name):
    whole, cut = torch.ones(5), torch.ones(5)
    one, before, after = chosen(name), chosen(name), chosen(name)
    for number, g in enumerate(gradients(6)):
        one.step([whole], [g.clone()])
        if number == 3:
            after.load_state_dict(before.state_dict())
        (before if number < 3 else after).step([cut], [g.clone()])
    assert torch.equal(whole, cut)


def test_a_task_starts_from_rest_unless_told_otherwise():
    for reset in (True, False):
        one = optimizer(momentum=0.9, reset=reset)
        one.step([torch.zeros(2)], [torch.ones(2)])
        one.end_task()
        theta = torch.zeros(2)
        one.step([theta], [torch.ones(2)])
        assert theta.tolist() == pytest.approx([-0.1 if reset else -0.19] * 2)


def test_schedules_by_hand():
    cosine, exponential = optimizer(schedule="cosine"), optimizer(schedule="exponential", decay=0.5)
    for one in (cosine, exponential):
        one.begin_task(steps=4, passes=2)
    rates = []
    for _ in range(4):
        rates.append((cosine.lr, exponential.lr))
        for one in (cosine, exponential):
            one.step([torch.zeros(1)], [torch.ones(1)])
    assert [a for a, _ in rates] == pytest.approx(
        [0.05 * (1 + math.cos(math.pi * k / 4)) for k in range(4)]
    )
    assert [b for _, b in rates] == pytest.approx([0.1, 0.1, 0.05, 0.05])


def test_the_norm_of_the_whole_gradient_is_bounded():
    one = optimizer(clip=1.0)
    a, b = torch.zeros(1), torch.zeros(1)
    one.step([a, b], [torch.tensor([3.0]), torch.tensor([4.0])])
    assert [float(a), float(b)] == pytest.approx([-0.06, -0.08], rel=1e-4)
    small = torch.zeros(1)
    one.step([small], [torch.tensor([0.5])])
    assert float(small) == pytest.approx(-0.05)


def test_vectors_that_change_their_shape_start_from_rest():
    one = optimizer(name="adam")
    one.step([torch.zeros(2)], [torch.ones(2)])
    theta = torch.zeros(3)
    one.step([theta], [torch.ones(3)])
    assert theta.tolist() == pytest.approx([-0.1] * 3, rel=1e-4)
