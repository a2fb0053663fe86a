"""HAL: a step may not move the outputs at anchors, points where each class is forgotten most.

Source: Chaudhry et al. 2021 (arXiv:2002.08165); as in the code of Buzzega et al. 2020, whose table
its numbers are in.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.streams.task import Task


class HAL(Method):
    """θ̃ = θ - lr·∇L, then θ ← θ - lr·∇(L + strength · mean (h_θ(e) - h_θ̃(e))²).

    L is the mean loss of the batch and ``replay`` samples of the memory, e are the anchors, one for
    each class of each past task. When a task ends, θ_m is θ after one step on the whole memory;
    an anchor of class c begins as noise and takes ``anchor_steps`` steps of size lr down
    CE(h_θ(e), c) - CE(h_θm(e), c) + gamma · ‖φ(e) - φ‖²: forgotten, yet typical. φ is the
    running mean (``decay``) of the features of the task's batches.
    """

    memory_needs = frozenset({"stream"})
    needs = frozenset({"boundaries", "identity in training", "task data at its end",
                       "classes"})  # fmt: skip
    kept = ("anchors", "phi")

    class Settings(MethodSettings):
        strength: float = Field(ge=0)
        gamma: float = Field(ge=0)
        decay: float = Field(ge=0, le=1)
        replay: int = Field(ge=1)
        anchor_steps: int = Field(ge=1)

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.anchors: Tensor | None = None  # (n, *input_shape)
        self.phi: Tensor | None = None  # (d,)

    def begin_task(self, task: Task) -> None:
        self.phi = None

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        old = self.memory.sample(self.settings.replay, self.generator)
        tasks = torch.cat([torch.full_like(y, task.index), old.task_ids])
        logits = self.net(torch.cat([x, old.x]))
        g = self.net.gradient(self.scenario.loss(logits, torch.cat([y, old.y]), tasks).mean())
        if self.anchors is not None:
            self.hold_anchors(g)
        self.step()
        with torch.no_grad():
            features = self.net.features(x).mean(0)
        decay = self.settings.decay
        self.phi = features if self.phi is None else decay * self.phi + (1 - decay) * features
        self.memory.add(x, y, task.index, self.generator)

    def hold_anchors(self, g: Tensor) -> None:
        """Adds to g (P,), in place, the gradient of how far the step along it moves the anchors."""
        theta, g_loss = self.net.theta.clone(), g.clone()
        self.net.theta.add_(g, alpha=-self.settings.lr)
        with torch.no_grad():
            moved = self.net(self.anchors)
        self.net.theta.copy_(theta)
        self.net.gradient(
            self.settings.strength * (self.net(self.anchors) - moved).square().mean()
        ).add_(g_loss)

    def end_task(self, task: Task) -> None:
        old = self.memory.at(self.memory.rows())
        theta = self.net.theta.clone()
        g = self.net.gradient(self.scenario.loss(self.net(old.x), old.y, old.task_ids).mean())
        finetuned = theta - self.settings.lr * g
        labels = self.first_samples(task, len(task.train))[1].unique()
        e = torch.rand((len(labels), *self.memory.x.shape[1:]), generator=self.generator)
        e = e.to(self.device)
        for _ in range(self.settings.anchor_steps):
            e.requires_grad_()
            self.net.theta.copy_(finetuned)
            kept = self.net.input_gradient(self.loss_of(e, labels, task), e)
            self.net.theta.copy_(theta)  # only now: a backward pass looks at the weights too
            far = (self.net.features(e) - self.phi).square().sum()
            loss = self.loss_of(e, labels, task) + self.settings.gamma * far
            forgotten = self.net.input_gradient(loss, e)
            e = e.detach() - self.settings.lr * (forgotten - kept)
        self.net.theta.copy_(theta)
        self.anchors = e if self.anchors is None else torch.cat([self.anchors, e])

    def loss_of(self, e: Tensor, labels: Tensor, task: Task) -> Tensor:
        return self.scenario.loss(self.net(e), labels, task.index).sum()
