"""La-MAML: look ahead through the batch, with a learned step size for every parameter.

Source: Gupta et al. 2020 (arXiv:2007.13904), algorithm 1; C-MAML and Sync from the same paper.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.streams.task import Task, index_of, task_ids


class LaMAML(Method):
    """Per glance: θ_k ← θ_{k-1} - relu(α) ⊗ ∇L(sample k) over the batch, then

        g = mean_k ∇L_meta(θ_k),  g_α = -mean_k ∇L_meta(θ_k) ⊗ [α > 0] Σ_{j≤k} ∇L(sample j),

    L_meta the mean loss of the batch and ``replay`` samples of the memory (first order). Both norms
    are clipped to ``clip``. ``update: modulated`` (La-MAML): α ← α - lr·g_α, then
    θ ← θ - relu(α) ⊗ g; ``sync``: the same α, θ ← θ - step·g; ``fixed`` (C-MAML): α stays what it
    was, θ ← θ - step·g. α begins as ``alpha`` everywhere. Samples enter the memory in the first
    glance, after they were looked at.
    """

    memory_needs = frozenset({"stream"})
    kept = ("alpha",)

    class Settings(MethodSettings):
        optimizer: None = None  # the update is its own
        alpha: float = Field(gt=0)
        step: float = Field(gt=0)
        update: Literal["modulated", "sync", "fixed"]
        glances: int = Field(ge=1)
        replay: int = Field(ge=0)
        clip: float = Field(gt=0)

    settings: Settings

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.alpha = torch.full_like(self.net.theta, settings.alpha)

    def observe(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        for glance in range(self.settings.glances):
            order = torch.randperm(len(y), generator=self.generator).to(y.device)
            self.look(x[order], y[order], index_of(task), store=glance == 0)

    def look(self, x: Tensor, y: Tensor, index: int, store: bool) -> None:
        """One glance at the batch, and the update after it."""
        old = self.memory.sample(self.settings.replay, self.generator)
        meta_x, meta_y = torch.cat([old.x, x]), torch.cat([old.y, y])
        meta_tasks = torch.cat([old.task_ids, task_ids(y, index)])
        theta, rate = self.net.theta.clone(), self.alpha.relu()
        g, g_alpha, way = (torch.zeros_like(theta) for _ in range(3))
        for one_x, one_y in zip(x.split(1), y.split(1), strict=True):
            inner = self.net.gradient(self.scenario.loss(self.net(one_x), one_y, index).mean())
            way += inner
            self.net.theta.addcmul_(rate, inner, value=-1)
            if store:
                self.memory.add(one_x, one_y, index, self.generator)
            losses = self.scenario.loss(self.net(meta_x), meta_y, meta_tasks)
            meta = self.net.gradient(losses.mean())
            g += meta
            g_alpha.addcmul_(meta, way, value=-1)
        self.net.theta.copy_(theta)
        self.update(g.div_(len(y)), g_alpha.mul_(self.alpha > 0).div_(len(y)))

    def update(self, g: Tensor, g_alpha: Tensor) -> None:
        s = self.settings
        for vector in (g, g_alpha):
            vector.mul_((s.clip / (vector.norm() + 1e-6)).clamp(max=1))
        if s.update != "fixed":
            self.alpha.add_(g_alpha, alpha=-s.lr)
        if s.update == "modulated":
            self.net.theta.addcmul_(self.alpha.relu(), g, value=-1)
        else:
            self.net.theta.add_(g, alpha=-s.step)
