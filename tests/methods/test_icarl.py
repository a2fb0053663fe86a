import copy

import numpy as np
import pytest
import torch
from one_method import begin, small_run

from cl_bench.config.compose import config_of
from cl_bench.config.schema import check
from cl_bench.datasets import Arrays
from cl_bench.errors import UsageError
from cl_bench.memory.exemplars import Exemplars
from cl_bench.methods.base import Context
from cl_bench.methods.icarl import ICaRL
from cl_bench.methods.parts.herding import herd
from cl_bench.models.mlp import MLP
from cl_bench.network.theta import Network
from cl_bench.network.workers import Workers
from cl_bench.rng import drawing_from, generator
from cl_bench.run.build import Run
from cl_bench.run.evaluate import evaluate
from cl_bench.streams.base import Stream
from cl_bench.streams.scenario import Scenario
from cl_bench.streams.task import StreamSettings, Task
from cl_bench.trackers.base import Tracker

CLASSES, PER_TASK, SIDE = 6, 2, 4


class Blobs(Stream):
    """Two of six classes per task; every class is its own noisy picture of 4x4."""

    def make_tasks(self):
        for index in range(CLASSES // PER_TASK):
            classes = tuple(range(index * PER_TASK, (index + 1) * PER_TASK))
            rows = [
                torch.isin(split.labels, torch.tensor(classes)).nonzero().flatten()
                for split in (self.train, self.test)
            ]
            yield Task(index, index, f"classes {classes}", classes, pictures, *rows)


def pictures(split, rows):
    return split.images[rows].float() / 255


def blobs(count, seed):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).integers(0, 256, (CLASSES, SIDE, SIDE))
    labels = np.repeat(np.arange(CLASSES), count)
    noise = rng.normal(0, 40, (len(labels), SIDE, SIDE))
    return np.clip(centres[labels] + noise, 0, 255).astype(np.uint8), labels


def blob_run(scenario="task", size=20, strength=1.0, epochs=1, seed=0):
    values = config_of(["dataset=digits_permutations", "dataset.tasks=3"]).dataset
    known = "test" if scenario == "task" else "train"
    values |= {"scenario": scenario, "task_identity": known}
    values |= {"samples_per_task": None, "epochs": epochs}
    settings = StreamSettings(**values)
    data = Arrays("blobs", *blobs(40, 1), *blobs(20, 2), CLASSES, "-", "made up")
    device = torch.device("cpu")
    stream = Blobs(settings, data, seed, device)
    scene = Scenario(stream, device)
    memory = Exemplars(
        Exemplars.Settings(name="exemplars", size=size), 3, stream.input_shape, device
    )
    model = MLP.Settings(name="mlp", hidden=[16], init="xavier")
    with drawing_from(generator(seed, "init")):
        network = MLP(model, stream.input_shape, CLASSES)
    context = Context(
        model=model,
        build_network=lambda: Network(network, device),
        scenario=scene,
        memory=memory,
        generator=generator(seed, "method"),
        device=device,
        tasks=3,
        stays=3,
        data=stream.first_pass,
        up_to=lambda task: stream.tasks[: task.index + 1],
        inputs=stream.inputs,
        unlabelled=None,
        validation=stream.validation_batches,
        epochs=1,
    )
    values = {"name": "icarl", "lr": 0.1, "strength": strength}
    method = ICaRL(check(values, ICaRL.Settings), context)
    return Run(None, device, stream, scene, memory, method, Tracker(None), Workers())


def learn(run, tasks):
    for task in tasks:
        begin(run, task)
        for x, y in run.stream.train_batches(task):
            run.method.observe(x, y, task)
        run.method.end_task(task)


def test_exemplars_fill_and_keep_to_the_budget_as_classes_arrive():
    run = blob_run(size=20)
    held = []
    for task in run.stream.tasks:
        learn(run, [task])
        held.append((list(run.memory.classes), list(run.memory.counts)))
        if task.index == 0:
            first = run.memory.x[:10].clone()
    assert held[0] == ([0, 1], [10, 10])
    assert held[1] == ([0, 1, 2, 3], [5, 5, 5, 5])
    assert held[2] == ([0, 1, 2, 3, 4, 5], [3] * 6)
    assert torch.equal(run.memory.x[:3], first[:3])  # the best of the first class are kept
    assert run.memory.y[:18].tolist() == [c for c in range(6) for _ in range(3)]


def test_a_class_that_no_sample_shows_gets_no_exemplars():
    few = ("dataset.tasks=5", "dataset.samples_per_task=2", "memory.size=30")
    run = small_run("method=icarl", "dataset=digits_split", *few)
    learn(run, run.stream.tasks)
    shown = {int(y) for task in run.stream.tasks for y in run.stream.train.labels[task.train]}
    assert set(run.memory.classes) == shown
    assert len(shown) < 10
    assert np.isfinite(evaluate(run)).all()


def test_exemplars_are_the_herded_samples_of_the_task():
    run = blob_run(size=8, epochs=2)
    task = run.stream.tasks[0]
    learn(run, [task])
    # the second pass brings no new candidates
    batches = list(run.stream.train_batches(task))[: len(task.train) // 10]
    x, y = torch.cat([b[0] for b in batches]), torch.cat([b[1] for b in batches])
    with torch.no_grad():
        outputs = run.method.net(x)[:, :2]
    for label in (0, 1):
        wanted = x[y == label][herd(outputs[y == label], 4)]
        assert torch.equal(run.memory.x[4 * label : 4 * label + 4], wanted)


def test_before_exemplars_exist_the_network_answers():
    run = blob_run()
    x, _ = next(run.stream.test_batches(run.stream.tasks[0]))
    assert torch.equal(run.method.logits(x, run.stream.tasks[0]), run.method.net(x))


def test_where_the_task_is_unknown_it_answers_among_all_classes_seen():
    run = blob_run("class")
    x, _ = next(run.stream.test_batches(run.stream.tasks[0]))
    assert torch.equal(run.method.logits(x, None), run.method.net(x))
    learn(run, run.stream.tasks[:2])
    run.method.train(False)
    scores = run.method.logits(x, None)
    assert torch.equal(scores.isfinite().all(0), torch.arange(CLASSES) < 4)
    assert torch.equal(scores, run.method.logits(x, run.stream.tasks[0]))


def test_the_nearest_class_mean_answers():
    run = blob_run()
    learn(run, run.stream.tasks[:2])
    run.method.train(False)
    x, _ = next(run.stream.test_batches(run.stream.tasks[0]))
    scores = run.method.logits(x, run.stream.tasks[0])
    with torch.no_grad():
        outputs = run.method.net(x)
        for label in range(4):
            mean = run.method.net(run.memory.x[:20][run.memory.y[:20] == label]).mean(0)
            wanted = -(outputs - mean).norm(dim=1)
            torch.testing.assert_close(scores[:, label], wanted, rtol=1e-4, atol=1e-4)
    assert torch.isneginf(scores[:, 4:]).all()
    # the means follow the weights
    run.method.net.theta.mul_(2)
    run.method.observe(*next(run.stream.train_batches(run.stream.tasks[1])), run.stream.tasks[1])
    assert not torch.equal(run.method.logits(x, run.stream.tasks[0]), scores)


@pytest.mark.parametrize("scenario", ["task", "class"])
def test_the_loss_is_among_the_classes_of_the_task(scenario):
    run = blob_run(scenario, strength=0.0)
    learn(run, run.stream.tasks[:1])
    method, task = run.method, run.stream.tasks[1]
    begin(run, task)
    x, y = next(run.stream.train_batches(task))
    loss = torch.nn.functional.cross_entropy(method.net(x)[:, 2:4], y - 2)
    grads = torch.autograd.grad(loss, method.net.parameters)
    expected = method.net.theta - 0.1 * torch.cat([grad.flatten() for grad in grads])
    method.observe(x, y, task)
    torch.testing.assert_close(method.net.theta, expected)


@pytest.mark.parametrize("scenario", ["task", "class"])
def test_distillation_is_zero_when_a_task_ends_and_is_the_kl_divergence_after(scenario):
    run = blob_run(scenario)
    learn(run, run.stream.tasks[:2])
    method, memory = run.method, run.memory
    assert abs(method.distillation().item()) < 1e-6

    method.net.theta.mul_(1.5)
    state = method.generator.get_state()
    got = method.distillation().item()
    method.generator.set_state(state)
    picks = (torch.rand(4, generator=method.generator) * 5).long() + torch.arange(4) * 5
    total = 0.0
    for position, row in enumerate(picks.tolist()):
        own = 2 * (position // 2)
        part = slice(own, own + 2)
        now = method.net(memory.x[row : row + 1])[0, part].log_softmax(0)
        then = method.targets[row, part]
        assert then.exp().sum().item() == pytest.approx(1)
        total += (then.exp() * (then - now)).sum().item() / 2
    assert got == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_distillation_keeps_the_outputs_of_the_past(seed):
    drift = {}
    for strength in (0.0, 1.0):
        run = blob_run(strength=strength, seed=seed)
        learn(run, run.stream.tasks[:1])
        x, _ = next(run.stream.test_batches(run.stream.tasks[0]))
        before = run.method.net(x)[:, :2].softmax(1)
        learn(run, run.stream.tasks[1:])
        drift[strength] = (run.method.net(x)[:, :2].softmax(1) - before).abs().mean().item()
    assert drift[1.0] < 0.6 * drift[0.0]


@pytest.mark.parametrize("scenario", ["task", "class"])
def test_it_learns_and_remembers_separable_classes(scenario):
    run = blob_run(scenario, size=30, epochs=3)
    learn(run, run.stream.tasks)
    assert evaluate(run).mean() > (0.95 if scenario == "task" else 0.8)


def test_a_run_taken_up_in_the_middle_of_a_task_is_bit_identical():
    run, other = blob_run(), blob_run()
    learn(run, run.stream.tasks[:1])
    task = run.stream.tasks[1]
    batches = list(run.stream.train_batches(task))
    begin(run, task)
    for x, y in batches[:3]:
        run.method.observe(x, y, task)
    other.scenario.begin_task(run.stream.tasks[0])
    other.scenario.begin_task(task)
    other.method.train(True)
    other.method.load_state_dict(copy.deepcopy(run.method.state_dict()))
    for each in (run, other):
        for x, y in batches[3:]:
            each.method.observe(x, y, task)
        each.method.end_task(task)
        learn(each, each.stream.tasks[2:])
    assert torch.equal(run.method.net.theta, other.method.net.theta)
    assert torch.equal(run.memory.x, other.memory.x)
    assert torch.equal(run.method.targets, other.method.targets)
    assert np.array_equal(evaluate(run), evaluate(other))


def test_what_it_cannot_work_with_is_refused():
    with pytest.raises(UsageError, match="split by class"):
        small_run("method=icarl")
    with pytest.raises(UsageError, match="memory=exemplars"):
        small_run("method=icarl", "memory=ring")
    with pytest.raises(UsageError, match=r"memory.size=5.*6 classes"):
        blob_run(size=5)
