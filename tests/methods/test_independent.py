import pytest
import torch
from one_method import begin, learn_tasks, small_run

from cl_bench.config.schema import Section
from cl_bench.errors import UsageError
from cl_bench.methods.base import Context
from cl_bench.methods.independent import Independent


def test_a_network_does_not_change_after_its_task():
    run = small_run("method=independent")
    method = run.method
    learn_tasks(run, 2)
    after = [net.theta.clone() for net in method.nets]
    fresh = small_run("method=independent").method
    assert torch.equal(after[3], fresh.nets[3].theta)  # not reached yet
    for task in run.stream.tasks[2:]:
        begin(run, task)
        for x, y in run.stream.train_batches(task):
            method.observe(x, y, task)
    assert torch.equal(method.nets[0].theta, after[0])
    assert torch.equal(method.nets[1].theta, after[1])
    assert not torch.equal(method.nets[2].theta, after[2])


@pytest.mark.parametrize("finetune", [True, False])
def test_finetune_starts_from_the_previous_parameters(finetune):
    run = small_run("method=independent", f"method.finetune={str(finetune).lower()}")
    learn_tasks(run, 1)
    begin(run, run.stream.tasks[1])
    first, second = run.method.nets[:2]
    assert torch.equal(first.theta, second.theta) is finetune
    assert first.theta.data_ptr() != second.theta.data_ptr()


def test_hidden_layers_are_one_tth_as_wide_and_parameters_are_counted_over_all():
    method = small_run("method=independent", "model.hidden=[12,9]").method
    assert [layer.out_features for layer in method.nets[3].module.layers] == [3, 2, 10]
    assert method.parameters == 4 * (64 * 3 + 3 + 3 * 2 + 2 + 2 * 10 + 10)
    narrow = small_run("method=independent", "model.hidden=[2]").method
    assert narrow.nets[0].module.layers[0].out_features == 1


def test_whole_networks_are_as_wide_as_the_model_and_fit_any_model():
    method = small_run("method=independent", "method.width=whole", "model.hidden=[12,9]").method
    assert method.parameters == 4 * method.nets[0].size == 4 * (64 * 12 + 12 + 12 * 9 + 9 + 100)
    convolutional = small_run("method=independent", "method.width=whole", "model=lenet").method
    assert len(convolutional.nets) == 4


def test_each_task_is_answered_by_its_own_network_and_any_can_diverge():
    run = small_run("method=independent")
    x, _ = next(run.stream.test_batches(run.stream.tasks[2]))
    answer = run.method.logits(x, run.stream.tasks[2])
    assert torch.equal(answer, run.method.nets[2](x))
    assert run.method.finite()
    run.method.nets[1].theta[5] = torch.nan
    assert not run.method.finite()


def test_a_model_that_cannot_be_narrowed_is_refused():
    run = small_run("method=independent")
    rigid = Context(
        model=Section(name="rigid"),
        build_network=lambda: None,
        scenario=run.scenario,
        memory=None,
        generator=torch.Generator(),
        device=run.device,
        tasks=4,
        stays=4,
        data=run.stream.first_pass,
        up_to=lambda task: run.stream.tasks[: task.index + 1],
        inputs=run.stream.inputs,
        unlabelled=None,
        validation=run.stream.validation_batches,
        epochs=1,
    )
    with pytest.raises(UsageError, match="model=rigid"):
        Independent(run.method.settings, rigid)
