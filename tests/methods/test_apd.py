import copy
from dataclasses import replace

import pytest
import torch
from one_method import begin, learn_tasks, observe, small_run
from torch.func import functional_call

from cl_bench.errors import UsageError

CONSOLIDATED = ("method.consolidate_every=2", "method.clusters=1", "method.gap=0.1")
SPLIT = ("dataset=digits_split", "dataset.tasks=5", "dataset.samples_per_task=60")


def apd(*overrides, method="apd"):
    return small_run(f"method={method}", *SPLIT, "method.lr=0.01", *overrides)


def predictions(run):
    """Logits of every task's test set."""
    run.method.train(False)
    with torch.inference_mode():
        return [
            torch.cat(
                [run.method.logits(x, task) for x, _ in run.stream.test_batches(task)]
            ).clone()
            for task in run.stream.tasks
        ]


def test_without_masks_and_task_parameters_it_is_the_shared_network():
    run = apd()
    method = run.method
    begin(run, run.stream.tasks[0])
    method.tau.zero_()
    method.v.fill_(torch.inf)  # sigmoid: exactly 1
    assert torch.equal(method.compose(0), method.sigma)
    method.v.fill_(0.0)
    assert torch.equal(method.compose(0), 0.5 * method.sigma)


def test_biases_and_heads_start_alike_or_each_from_its_own():
    def own(*overrides):
        run = apd("model=lenet", "model.convolutions=[2,3]", "model.hidden=[5]", *overrides)
        begin(run, run.stream.tasks[0])
        begin(run, run.stream.tasks[1])
        free = run.method.layout.decomposed == 0
        return run.method.tau[:, free], int(run.method.layout.head.numel())

    (alike, head), (drawn, _) = own(), own("method.own_init=drawn")
    assert torch.equal(alike[0, :-head], alike[1, :-head])
    assert not torch.isclose(drawn[0, :-head], drawn[1, :-head]).any()
    # the spread of a head's biases is that of two outputs, not of ten
    torch.testing.assert_close(drawn[0, -10:-8], alike[0, -10:-8] * 5**0.5)
    assert torch.equal(drawn[0, -head:-10], alike[0, -head:-10])


def test_masks_are_per_output_unit_and_sums_per_unit_are_their_transpose():
    run = apd()
    layout, net = run.method.layout, run.method.net
    units = torch.arange(1.0, layout.units + 1)
    views = net.views(layout.spread(units))
    assert torch.equal(views[0], units[:12, None].expand(12, 64))
    assert torch.equal(views[2], units[12:, None].expand(9, 12))
    for own in (1, 3, 4, 5):  # biases and the last layer
        assert not views[own].any()
    vector = torch.randn(2, net.size)
    left = (layout.spread(units) * vector).sum(1)
    torch.testing.assert_close(left, (units * layout.collect(vector)).sum(1), rtol=1e-4, atol=1e-3)


VARIANTS = [
    ("method.drift=0.7",),
    ("method.drift=0.7", "method.retroactive=false"),
    ("method.drift=0.7", *CONSOLIDATED),
]


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("overrides", VARIANTS, ids=" ".join)
def test_gradients_are_those_of_the_composed_loss(overrides, tasks):
    run = apd("method.l1=0.01", "method.weight_decay=0.03", *overrides)
    learn_tasks(run, tasks - 1)
    method, task = run.method, run.stream.tasks[tasks - 1]
    begin(run, task)
    draw = torch.Generator().manual_seed(1)
    decomposed = method.layout.decomposed
    for part, scale in ((method.sigma, decomposed), (method.tau, decomposed), (method.v, 1.0)):
        part.add_(0.1 * scale * torch.randn(part.shape, generator=draw))
    s = method.settings
    sigma, tau, v = (p.clone().requires_grad_() for p in (method.sigma, method.tau, method.v))
    locals_ = torch.stack([method.shared.of(row) for row in range(tasks)])
    theta = sigma * method.layout.spread(v.sigmoid()) + tau + locals_
    x, y = next(run.stream.train_batches(task))
    named = [name for name, _ in method.net.module.named_parameters()]
    values = dict(zip(named, method.net.views(theta[-1]), strict=True))
    logits = functional_call(method.net.module, values, (x,))
    loss = run.scenario.loss(logits, y, task.index).mean()
    rows = tau if s.retroactive else tau[-1:]
    loss = loss + s.l1 * (rows * decomposed).abs().sum()
    half = 0.5 * s.weight_decay
    loss = loss + half * ((tau[-1] * decomposed).square().sum() + v[-1].square().sum())
    if tasks == 1:
        loss = loss + half * sigma.square().sum()
    elif s.retroactive:
        loss = loss + s.drift * (method.anchor + locals_[:-1] - theta[:-1]).square().sum()
    else:
        loss = loss + s.drift * (method.anchor - sigma).square().sum()
    expected = torch.autograd.grad(loss, (sigma, tau, v))
    method.compose(-1)
    got = method.gradients(method.gradient(x, y, task))
    # entries of σ outside of what is decomposed are never anything but zero
    torch.testing.assert_close(got[0] * decomposed, expected[0] * decomposed, rtol=1e-5, atol=1e-6)
    assert torch.equal(got[0] * (1 - decomposed), torch.zeros_like(decomposed))
    if tasks == 3 and CONSOLIDATED[0] in overrides:
        assert locals_.any()
    own = (method.scenario.visible(task.index)[method.layout.head]).float()
    scale = torch.ones_like(decomposed)
    scale[method.layout.last] = own  # masked outputs have no gradient either way
    wanted = expected[1] if s.retroactive else expected[1][-1:]
    torch.testing.assert_close(got[1] * scale, wanted * scale, rtol=1e-5, atol=1e-6)
    wanted = expected[2] if s.retroactive else expected[2][-1:]
    torch.testing.assert_close(got[2], wanted, rtol=1e-5, atol=1e-6)


def test_past_masks_may_be_left_alone():
    run = apd("method.retroactive_masks=false")
    learn_tasks(run, 1)
    before = run.method.v[0].clone()
    learn_tasks_from(run, 1, 2)
    assert torch.equal(run.method.v[0], before)
    assert not torch.equal(run.method.tau[0], run.method.tau[1])


def learn_tasks_from(run, first, last):
    for task in run.stream.tasks[first:last]:
        begin(run, task)
        for x, y in run.stream.train_batches(task):
            run.method.observe(x, y, task)
        run.method.end_task(task)


@pytest.mark.parametrize("options", [("method.consolidate_every=null",), CONSOLIDATED])
def test_nothing_draws_on_the_past_when_a_task_starts(options):
    run = apd(*options, "method.l1=0", "method.weight_decay=0")
    learn_tasks(run, 2)
    begin(run, run.stream.tasks[2])
    sigma, tau, v = run.method.gradients(torch.zeros_like(run.method.sigma))
    assert not sigma.any()
    assert not tau.any()
    assert not v.any()


def test_retroactive_update_keeps_the_past_while_the_shared_part_moves():
    def moves(method):
        run = apd("dataset.epochs=8", method=method)
        learn_tasks(run, 1)
        theta, sigma, own = run.method.compose(0).clone(), run.method.sigma.clone(), run.method.tau
        masks = run.method.layout.spread(run.method.v[0].sigmoid())
        learn_tasks_from(run, 1, 3)
        outside = run.method.layout.decomposed == 0  # biases and heads of the past never move
        assert torch.equal(run.method.tau[0][outside], own[0][outside])
        return run.method.compose(0) - theta, (run.method.sigma - sigma) * masks

    theta, sigma = moves("apd1")
    assert sigma.norm() > 5 * theta.norm() > 0
    theta, held = moves("apd-fixed")
    torch.testing.assert_close(theta, held, rtol=1e-4, atol=1e-6)
    assert 0 < held.norm() < 0.2 * sigma.norm()


@pytest.mark.parametrize("options", [("method.consolidate_every=null",), CONSOLIDATED])
def test_forgetting_a_task_leaves_the_others_bit_identical(options):
    run = apd(*options)
    untrained = predictions(run)
    learn_tasks(run, 5)
    assert run.method.shared.values.any() == (options is CONSOLIDATED)
    before = predictions(run)
    size = run.method.parameters
    run.method.forget(2)
    after = predictions(run)
    for index in (0, 1, 3, 4):
        assert torch.equal(before[index], after[index])
    assert not torch.equal(before[2], after[2])
    assert torch.equal(after[2], untrained[2])
    assert run.method.parameters < size
    run.method.forget(2)  # a second time there is nothing left to drop
    for a, b in zip(predictions(run), after, strict=True):
        assert torch.equal(a, b)
    other = apd(*options)
    other.method.load_state_dict(copy.deepcopy(run.method.state_dict()))
    for a, b in zip(predictions(other), after, strict=True):
        assert torch.equal(a, b)


def test_consolidation_moves_predictions_parameters_by_half_the_gap_at_most():
    run = apd("method.consolidate_every=4", "method.gap=0.02", "method.prune=test")
    learn_tasks(run, 3)
    task = run.stream.tasks[3]
    begin(run, task)
    for x, y in run.stream.train_batches(task):
        run.method.observe(x, y, task)
    before = [run.method.compose(row).clone() for row in range(4)]
    kept = run.method.parameters
    run.method.end_task(task)
    after = [run.method.compose(row).clone() for row in range(4)]
    largest = max((a - b).abs().max() for a, b in zip(before, after, strict=True))
    assert 0 < largest <= 0.01 + 1e-6
    assert run.method.parameters < kept


def test_capacity_counts_what_is_not_zero_after_pruning():
    run = apd("method.prune=test", "method.l1=0.01")
    method = run.method
    learn_tasks(run, 2)
    tau = method.tau.clone()
    weights = tau[:, method.layout.decomposed > 0]
    tau_kept = int((weights.abs() > 0.01).sum())
    own = int((tau[:, method.layout.decomposed == 0] != 0).sum())
    # each task: biases of two hidden layers, two rows of the head and their biases
    assert 2 * (9 * 2 + 2) < own <= 2 * (12 + 9 + 9 * 2 + 2)
    shared = int((method.sigma != 0).sum())
    assert method.parameters == shared + tau_kept + own + 2 * (12 + 9)
    capacity = method.parameters / method.net.size
    assert method.metrics()["capacity"] == capacity
    assert method.diagnostics()["capacity_after_task"][-1] == capacity
    assert (weights != 0).float().mean() > 0.9  # pruned in tests only
    method.settings = method.settings.model_copy(update={"prune": "task"})
    before = predictions(run)[:2]
    method.end_task(run.stream.tasks[1])
    assert int((method.tau[:, method.layout.decomposed > 0] != 0).sum()) == tau_kept
    assert all(torch.equal(a, b) for a, b in zip(before, predictions(run)[:2], strict=True))


def test_the_best_validated_of_the_last_passes_is_restored():
    run = apd("dataset.epochs=5", "dataset.validation=0.25", "method.select=3", "method.prune=test")
    method, task = run.method, run.stream.tasks[0]
    answers = iter([4, 7, 5])  # correct of 8 after passes 3, 4 and 5
    x = torch.zeros(8, 8, 8)
    asked = []

    def validation(task):
        method.compose(-1)
        best = method.net(x).masked_fill(~run.scenario.visible(task.index), -torch.inf).argmax(1)
        right = next(answers)
        y = torch.where(torch.arange(8) < right, best, 1 - best)
        asked.append((method.optimizer.steps, method.tau.clone(), method.sigma.clone()))
        yield x, y

    method.context = replace(method.context, validation=validation)
    begin(run, task)
    observe(run, task)
    method.optimizer.steps -= 1
    rate = method.optimizer.lr  # of the last step
    method.end_task(task)
    assert [steps for steps, *_ in asked] == [15, 20, 25]
    assert torch.equal(method.tau, asked[1][1])
    assert torch.equal(method.sigma, asked[1][2])
    assert rate == pytest.approx(0.01 * 0.95**4)


def test_soft_thresholding_makes_zeros_where_the_subgradient_does_not():
    def zeros(sparsity):
        run = apd(f"method.sparsity={sparsity}", "method.prune=test", "method.l1=0.01")
        learn_tasks(run, 1)
        part = run.method.tau[0][run.method.layout.decomposed > 0]
        # a start from zero counts only once it moves
        return float((part == 0).float().mean())

    assert zeros("subgradient") < 0.05
    assert zeros("proximal") > 0.2


def test_state_in_the_middle_of_a_task_after_a_validated_pass():
    options = (
        "dataset.epochs=3", "dataset.batch_size=30", "dataset.validation=0.2", "method.select=3",
        *CONSOLIDATED,
    )  # fmt: skip
    run, other = apd(*options), apd(*options)
    learn_tasks(run, 2)
    task = run.stream.tasks[2]
    batches = list(run.stream.train_batches(task))
    begin(run, task)
    observe(run, task, batches[:3])
    assert run.method.best is not None
    assert_plain(run.method.state_dict())
    other.method.train(True)
    other.method.load_state_dict(copy.deepcopy(run.method.state_dict()))
    other.scenario.begin_task(task)
    for each in (run, other):
        observe(each, task, batches[3:], done=3)
        each.method.end_task(task)
        learn_tasks_from(each, 3, 5)
    for a, b in zip(predictions(run), predictions(other), strict=True):
        assert torch.equal(a, b)
    assert run.method.diagnostics() == other.method.diagnostics()


def assert_plain(state):
    """Only what a file of tensors and JSON can hold."""
    if isinstance(state, dict):
        assert all(isinstance(key, str) for key in state)
        state = list(state.values())
    if isinstance(state, list):
        for part in state:
            assert_plain(part)
    else:
        assert state is None or isinstance(state, (torch.Tensor, int, float, str))


def test_what_it_cannot_work_with_is_refused(monkeypatch):
    with pytest.raises(UsageError, match=r"dataset\.scenario=task"):
        apd("dataset.scenario=class")
    with pytest.raises(UsageError, match="hidden layer"):
        apd("model.hidden=[]")


@pytest.mark.parametrize("size", [1, 100, 10**6])
def test_the_derivatives_are_the_same_in_pieces_of_any_size(size, monkeypatch):
    run = small_run("method=apd")
    learn_tasks(run, 3)
    begin(run, run.stream.tasks[3])
    method, task = run.method, run.stream.tasks[3]
    observe(run, task, [next(iter(run.stream.train_batches(task)))])
    g = torch.randn(method.net.size, generator=torch.Generator().manual_seed(0))
    whole = method.gradients(g)
    monkeypatch.setattr("cl_bench.methods.apd.PIECE", size)
    assert all(torch.equal(a, b) for a, b in zip(method.gradients(g), whole, strict=True))
