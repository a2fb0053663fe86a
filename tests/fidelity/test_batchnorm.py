"""What goes through a network with BatchNorm, and when: EWC and iCaRL as the GEM authors have them.

The reference is a copy of the module, stepped in plain autograd: what is compared are its weights
and running statistics after every step and at every evaluation.
"""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from one_method import begin
from stepping import LIMIT

from cl_bench.config.compose import config_of
from cl_bench.rng import generator
from cl_bench.run import learn
from cl_bench.run.build import prepare


class Reference:
    def __init__(self, run):
        self.run, self.s = run, run.cfg.method
        self.module = copy.deepcopy(run.method.net.module)
        for p in self.module.parameters():
            p.grad = None
        self.random = generator(run.cfg.seed, "method")

    @property
    def values(self):
        state = self.module.state_dict().values()
        return torch.cat([value.detach().flatten().double() for value in state])

    def loss(self, x, y, task):
        own = list(task.classes)
        return F.cross_entropy(self.module(x)[:, own], y - own[0])

    def gradient(self, loss):
        return torch.autograd.grad(loss, list(self.module.parameters()))

    def step(self, g):
        with torch.no_grad():
            for p, part in zip(self.module.parameters(), g, strict=True):
                p -= self.s["lr"] * part


class EWC(Reference):
    """The Fisher's pass in training mode: at a task's end, or at the next one's first batch."""

    springs, waiting = (), None

    def begin_task(self, task):
        self.seen = []
        if self.waiting is not None:
            self.hold(*self.waiting)
            self.waiting = None

    def observe(self, x, y, task):
        self.module.train()
        self.seen.append((x, y))
        g = list(self.gradient(self.loss(x, y, task)))
        for fisher, anchor in self.springs:
            for i, p in enumerate(self.module.parameters()):
                g[i] = g[i] + 2 * self.s["strength"] * fisher[i] * (p.detach() - anchor[i])
        self.step(g)

    def end_task(self, task):
        x, y = (
            torch.cat(part)[: self.s["fisher_samples"]] for part in zip(*self.seen, strict=True)
        )
        if self.s["fisher_pass"] == "next":
            self.waiting = x, y, task
        else:
            self.hold(x, y, task)

    def hold(self, x, y, task):
        self.module.train()
        fisher = [g**2 for g in self.gradient(self.loss(x, y, task))]
        anchor = [p.detach().clone() for p in self.module.parameters()]
        self.springs = (*self.springs, (fisher, anchor))


class ICaRL(Reference):
    """Every class, and every past task in distillation, is a batch in training mode."""

    def begin_task(self, task):
        self.seen = []
        self.exemplars = getattr(self, "exemplars", {})

    def observe(self, x, y, task):
        self.module.train()
        self.seen.append((x, y))
        loss = self.loss(x, y, task)
        if self.exemplars:
            sizes = torch.tensor([len(held) for held in self.exemplars.values()])
            rows = (torch.rand(len(sizes), generator=self.random) * sizes).long()
            row = dict(zip(self.exemplars, rows.tolist(), strict=True))
            for past in self.run.stream.tasks[: task.index]:
                own = list(past.classes)
                e = torch.stack([self.exemplars[label][row[label]] for label in own])
                wanted = torch.stack([self.targets[label][row[label]] for label in own])
                logp = self.module(e)[:, own].log_softmax(1)
                p = wanted[:, own].softmax(1)
                loss = loss + self.s["strength"] * (p * (p.log() - logp)).sum(1).mean()
        self.step(self.gradient(loss))

    @torch.no_grad()
    def end_task(self, task):
        self.module.train()
        x, y = (torch.cat(part) for part in zip(*self.seen, strict=True))
        own = list(task.classes)
        m = self.run.cfg.memory["size"] // (len(self.exemplars) + len(own))
        for label in own:
            mine = x[y == label]
            mean = self.module(mine)[:, own].mean(0)
            features = self.module(mine)[:, own]
            picks = []
            for k in range(min(m, len(mine))):
                total = self.module(mine[picks])[:, own].sum(0) if picks else 0
                distance = (mean - (total + features) / (k + 1)).norm(dim=1)
                distance[picks] = torch.inf
                picks.append(int(distance.argmin()))
            self.exemplars[label] = mine[picks]
        self.targets = {label: self.module(held) for label, held in self.exemplars.items()}


@pytest.fixture
def images(tmp_path):
    """60 training images of 32x32 of six classes."""
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (120, 32, 32), dtype=np.uint8), np.arange(120) % 6
    y[60:] = np.arange(60) % 6
    path = tmp_path / "images.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:12], y_test=y[:12])
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (EWC, ("method=ewc", "method.fisher_pass=next")),
        (EWC, ("method=ewc", "method.fisher_pass=end")),
        (
            ICaRL,
            ("method=icarl", "method.passes=apart", "memory.size=24", "memory.trim=false",
             "method.untrained=uniform"),
        ),
    ],
    ids=["ewc, next", "ewc, end", "icarl"],
)  # fmt: skip
def test_weights_and_running_statistics(images, record_property, make, words):
    run = prepare(
        config_of(
            ["dataset=npz", f"dataset.path={images}", "dataset.tasks=3", "model=resnet18",
             "model.width=1", "dataset.batch_size=2", "device.threads=1", "device=cpu",
             "method.lr=0.01", *words]
        )
    )  # fmt: skip
    reference, found, steps = make(run), [], 0
    method = run.method

    def compare():
        state = method.net.module.state_dict().values()
        ours = torch.cat([value.detach().flatten().double() for value in state])
        found.append(float((ours - reference.values).abs().max()))

    for task in run.stream.tasks:
        begin(run, task)
        reference.begin_task(task)
        for x, y in run.stream.train_batches(task):
            method.observe(x, y, task)
            reference.observe(x, y, task)
            steps += 1
            compare()
        learn.end_task(run, task)
        reference.end_task(task)
        compare()  # as the evaluation sees them
        if make is ICaRL:
            untrained = run.stream.tasks[task.index + 1 :]
            method.train(False)
            assert all(not method.logits(x, later).any() for later in untrained)
    assert steps >= 50
    record_property("largest_difference", max(found))
    assert max(found) < LIMIT
