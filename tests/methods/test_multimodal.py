import pytest
import torch
from one_method import begin, learn_tasks, small_run

from cl_bench.errors import UsageError


def test_a_task_moves_the_shared_layers_and_its_own_input_layer_only():
    run = small_run("method=multimodal")
    learn_tasks(run, 1)
    module, task = run.method.net.module, run.stream.tasks[1]
    before = [p.detach().clone() for p in module.parameters()]
    begin(run, task)
    for x, y in run.stream.train_batches(task):
        run.method.observe(x, y, task)
    own = {id(p) for p in module.inputs[1].parameters()}
    own |= {id(p) for p in module.shared.parameters()}
    for old, p in zip(before, module.parameters(), strict=True):
        assert torch.equal(old, p) is (id(p) not in own)


def test_a_step_is_autograds_step():
    run = small_run("method=multimodal", "method.lr=0.5")
    learn_tasks(run, 2)  # leaves gradients of other tasks behind
    method, task = run.method, run.stream.tasks[0]
    x, y = next(run.stream.train_batches(task))
    method.net.module.active = 0
    loss = torch.nn.functional.cross_entropy(method.net(x), y)
    used = [*method.net.module.shared.parameters(), *method.net.module.inputs[0].parameters()]
    grads = torch.autograd.grad(loss, used)
    expected = [p.detach() - 0.5 * g for p, g in zip(used, grads, strict=True)]
    method.observe(x, y, task)
    for p, wanted in zip(used, expected, strict=True):
        torch.testing.assert_close(p.detach(), wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("init", "zero"), [("authors", True), ("torch", False), ("xavier", True)])
def test_biases_start_as_named(init, zero):
    module = small_run("method=multimodal", f"model.init={init}").method.net.module
    for layer in (*module.shared, *module.inputs):
        assert (not layer.bias.any()) is zero
        bound = layer.in_features**-0.5 if init != "xavier" else 1.0
        assert 0 < layer.weight.abs().max() <= bound


def test_one_parameter_vector_holds_all_input_layers():
    run = small_run("method=multimodal", "model.hidden=[12,9]")
    shared = 12 * 9 + 9 + 9 * 10 + 10
    assert run.method.parameters == shared + 4 * (64 * 12 + 12)
    assert run.method.net.theta.numel() == run.method.parameters


@pytest.mark.parametrize("init", ["torch", "xavier"])
def test_initialisation_has_its_range(init):
    net = small_run("method=multimodal", f"model.init={init}").method.net.module
    layer = net.inputs[2]
    bound = 64**-0.5 if init == "torch" else (6 / (64 + 12)) ** 0.5
    assert 0.8 * bound < layer.weight.abs().max() <= bound
    assert bool((layer.bias != 0).any()) is (init == "torch")


def test_another_model_is_refused():
    with pytest.raises(UsageError, match="choose model=multimodal"):
        small_run("method=multimodal", "model=mlp")
