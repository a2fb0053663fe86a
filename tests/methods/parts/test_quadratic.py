from __future__ import annotations

import pytest
import torch
from conftest import DIGITS
from one_method import learn_tasks, small_run

from cl_bench.methods.parts.quadratic import QuadraticPenalty

CPU = torch.device("cpu")


def penalty() -> QuadraticPenalty:
    found = QuadraticPenalty(2, CPU)
    found.add(torch.tensor([1.0, 100.0]), torch.tensor([0.5, -1.0]))
    found.add(torch.tensor([2.0, 300.0]), torch.tensor([2.0, 3.0]))
    return found


def test_the_gradient_by_hand():
    theta, g = torch.tensor([1.0, 1.0]), torch.zeros(2)
    penalty().add_gradient(g, theta, strength=0.5)
    # 2·½·(1·(1-.5) + 2·(1-2)) and 2·½·(100·2 + 300·(-2))
    assert g.tolist() == [-1.5, -400.0]


def test_an_implicit_step_ends_where_its_own_gradient_leads():
    found, start, rate = penalty(), torch.tensor([1.0, 1.0]), 0.2
    theta = start.clone()
    found.pull(theta, rate)
    g = torch.zeros(2)
    found.add_gradient(g, theta, strength=0.5)
    torch.testing.assert_close(theta, start - rate * g)


def test_implicit_steps_bear_a_penalty_that_explicit_ones_do_not():
    options = ("method.strength=1e5", "method.lr=0.1", "model.hidden=[12]")
    stiff = small_run("method=mas", *options)
    learn_tasks(stiff, 4)
    assert not stiff.method.finite()
    assert "method.penalty_step=implicit" in stiff.method.advice()
    soft = small_run("method=mas", *options, "method.penalty_step=implicit")
    learn_tasks(soft, 4)
    assert soft.method.finite()


def test_divergence_names_the_stiffness_and_the_way_out(inline):
    small = (DIGITS, "dataset.tasks=4", "dataset.samples_per_task=100", "plots=false", "-q")
    code, _, err = inline("method=ewc", "method.strength=1e6", "device.threads=1", *small)
    assert code == 1
    assert "lr·2·strength·max Ω is" in err
    assert "method.penalty_step=implicit" in err
    code, _, err = inline("method=ewc", "method.lr=1e6", "device.threads=1", *small)
    assert code == 1
    assert "lower method.lr (now 1000000.0)" in err


@pytest.mark.parametrize("option", ["name=adam", "momentum=0.5"])
def test_implicit_steps_are_for_plain_sgd(inline, option):
    code, _, err = inline(
        "method=ewc", "method.penalty_step=implicit", f"method.optimizer.{option}", DIGITS,
        "dataset.tasks=2", "device.threads=1",
    )  # fmt: skip
    assert code == 2
    assert "is made for plain SGD" in err
