"""Additive Parameter Decomposition: what tasks share, masked, plus what is a task's own, sparse.

Source: Yoon et al. 2020 (arXiv:1902.09432), equations 1-3; details as in the authors' code.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.methods.base import Context, Method, MethodSettings
from cl_bench.methods.parts.consolidation import Shared, consolidate
from cl_bench.methods.parts.decomposition import Decomposition
from cl_bench.network.theta import Network
from cl_bench.network.workers import Workers
from cl_bench.streams.task import Task

PIECE = 2**18  # numbers of a matrix (rows of τ, weights) that are worked on at a time: 1 MiB


class APD(Method):
    """θ_t = σ ⊗ M_t + τ_t (+ σ̃ of t's group), M_t = sigmoid(v_t), one v per output unit.

    All vectors are (P,). Biases and the last layer belong to the task alone: there σ = 0 and τ_t
    holds them, free of the penalties. The loss of task t is

        L(θ_t) + l1·Σ_i ‖τ_i‖₁ + drift·Σ_{i<t} ‖θ*_i - θ_i‖²,

    and ½·weight_decay·‖·‖² of what task t has of its own (and of σ while t is the first task),
    with θ*_i the parameters of task i when t begins: past τ_i and v_i make up for every move of σ
    (``retroactive``). Else l1·‖τ_t‖₁ and drift·‖σ - σ*‖² (equation 1). With g_i the derivative by
    θ_i the chain rule gives Σ g_i ⊗ M_i for σ, g_i for τ_i and Σ_unit (g_i ⊗ σ) M_i (1 - M_i) for
    v_i. The optimiser is Adam, anew for every task (``method.optimizer``).

    Entries of τ and σ̃ of magnitude ``l1`` or less count as zero in tests and in the capacity, the
    number of non-zero parameters over the size of one network; ``prune: task`` also sets them to
    zero when a task ends (the authors go on with what they were). Their code counts otherwise,
    ``capacity_authors_code``: biases and head of the latest task alone, and every σ̃ that a later
    consolidation has replaced; over the shared weights and the heads of all tasks but one.
    ``own_init``: where a task's biases and head start: ``shared``, all tasks from the same values,
    or ``drawn`` (authors' code), each from its own, the head's biases with variance 1 / number of
    the task's outputs. The authors' factor of 10 on gradients is left out: to Adam it is a tenth of
    ``eps``, which shows in gradients of 1e-7 and less alone. ``sparsity: proximal`` replaces
    the L1 term's subgradient by soft thresholding in Adam's metric.
    """

    needs = frozenset(
        {
            "boundaries",
            "identity in training",
            "identity in tests",
            "one stay per task",
            "an output per class",
            "classes",
        }
    )

    class Settings(MethodSettings):
        l1: float = Field(ge=0)
        drift: float = Field(ge=0)
        retroactive: bool
        retroactive_masks: bool
        sparsity: Literal["subgradient", "proximal"]
        prune: Literal["task", "test"]
        tau_init: Literal["shared", "zero"]
        own_init: Literal["shared", "drawn"] = "shared"  # runs recorded before it lack it
        weight_decay: float = Field(ge=0)
        select: int = Field(ge=0)
        consolidate_every: int | None = Field(ge=1)
        clusters: int = Field(ge=1)
        gap: float = Field(ge=0)
        shared_value: Literal["midrange", "centroid"]

    settings: Settings
    kept = (
        *("sigma", "tau", "v", "learned", "shared", "anchor", "passes_left", "best", "capacities"),
        "replaced",
    )

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        if settings.sparsity == "proximal" and settings.optimizer.name != "adam":
            raise UsageError(
                "method.sparsity=proximal: is soft thresholding in Adam's metric; choose "
                "method.optimizer.name=adam"
            )
        self.layout = Decomposition(self.net)
        if not self.layout.layers:
            raise UsageError("method=apd needs a hidden layer to share; set model.hidden")
        self.initial = self.net.theta.clone()
        self.sigma = self.initial * self.layout.decomposed
        self.learned: list[int] = []  # task index of every row of tau and v
        self.tau = self.sigma.new_zeros(0, self.net.size)
        self.v = self.sigma.new_zeros(0, self.layout.units)
        self.shared = Shared.none(self.layout.layers, self.net.size, context.device)
        self.anchor: Tensor | None = None  # θ* - σ̃ (t-1, P), without retroactive σ* (P,)
        self.passes_left = 0  # of the task
        self.best: tuple[float, list[Tensor]] | None = None  # accuracy, [σ, τ, v]
        self.capacities: list[float] = []
        self.replaced = 0  # entries of all σ̃ before the present one
        self.own = self.initial[self.layout.decomposed == 0].expand(context.tasks, -1)
        if settings.own_init == "drawn":
            others = (context.build_network().theta for _ in range(context.tasks - 1))
            drawn = (theta[self.layout.decomposed == 0] for theta in others)
            self.own = torch.stack([self.own[0], *drawn])

    # -- the four verbs -------------------------------------------------------------------------

    def begin_task(self, task: Task) -> None:
        past = self.sigma * self.layout.spread(self.v.sigmoid()) + self.tau
        self.anchor = past if self.settings.retroactive else self.sigma.clone()
        own = torch.zeros_like(self.initial)
        own[self.layout.decomposed == 0] = self.own[task.index]
        visible = self.scenario.multi_head().visible(task.index)
        if self.settings.own_init == "drawn":
            own[-len(visible) :] *= (len(visible) / visible.sum()).sqrt()
        own[self.layout.last] *= visible[self.layout.head]
        tau = self.sigma + own if self.settings.tau_init == "shared" else own
        widths = torch.tensor(self.layout.widths)
        spread = widths.rsqrt().repeat_interleave(widths)
        v = (torch.randn(self.layout.units, generator=self.generator) * spread).to(self.device)
        self.learned.append(task.index)
        self.tau, self.v = torch.cat([self.tau, tau[None]]), torch.cat([self.v, v[None]])
        self.shared.add_row()
        self.passes_left, self.best = self.context.epochs, None

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        self.compose(-1)
        self.update(self.gradient(x, y, task))

    def end_epoch(self, task: Task) -> None:
        self.passes_left -= 1
        if self.passes_left < self.settings.select:
            self.keep_best(task)

    def end_task(self, task: Task) -> None:
        if self.best is not None:
            self.sigma, self.tau, self.v = self.best[1]
        self.anchor = self.best = None
        every = self.settings.consolidate_every
        if every is not None and (task.index + 1) % every == 0:
            self.consolidate(self.settings.clusters * (task.index + 1) // every)
        if self.settings.prune == "task":
            self.tau = self.pruned(self.tau)
            self.shared.values = self.pruned(self.shared.values)
        self.capacities.append(self.parameters / self.net.size)

    def answers(self, task: Task) -> Network:
        """The network with the task's own parameters; the untrained one before it."""
        if task.index in self.learned:
            self.compose(self.learned.index(task.index), prune=True)
        else:
            self.net.theta.copy_(self.initial)
        return self.net  # as it is for this task, not a stack that would stay so

    def moves(self, learned: Task, tested: Task) -> bool:
        return tested.index in self.learned

    # -- what they are made of --------------------------------------------------------------------

    def compose(self, row: int, prune: bool = False) -> Tensor:
        """θ ← σ ⊗ M + τ + σ̃ of one row, which is returned."""
        tau, local = self.tau[row], self.shared.of(row)
        if prune:
            tau, local = self.pruned(tau), self.pruned(local)
        masks = self.layout.spread(self.v[row].sigmoid())
        return torch.mul(self.sigma, masks, out=self.net.theta).add_(tau).add_(local)

    @property
    def rows(self) -> slice:
        """The rows of τ and v that are trained."""
        return slice(None if self.settings.retroactive else -1, None)

    def gradients(self, g: Tensor) -> list[Tensor]:
        """Derivatives of the whole loss by σ and the trained rows of τ and v; g (P,) = ∂L/∂θ_t."""
        s, layout = self.settings, self.layout
        sigma, v = self.sigma, self.v[self.rows]
        masks = v.sigmoid()
        by_sigma, by_v = torch.zeros_like(sigma), torch.empty_like(v)
        by_tau = torch.empty_like(self.tau[self.rows])
        for part in layout.own:  # no other task moves these
            by_tau[:, part] = 0.0
            by_tau[-1, part] = g[part]

        def of_some_units(part: slice, units: slice) -> None:
            self._gradients_of(part, units, g, masks[:, units], by_sigma, by_tau, by_v)

        pieces = layout.pieces(max(1, PIECE // len(v)))
        # for less another thread is waited for longer than it helps
        workers = self.net.workers if by_tau.numel() > PIECE else Workers(1)
        workers.map(lambda piece: of_some_units(*piece), pieces)
        by_v[-1].add_(v[-1], alpha=s.weight_decay)
        if not s.retroactive_masks:
            by_v[:-1] = 0.0
        if len(self.learned) == 1:
            by_sigma.add_(sigma, alpha=s.weight_decay)
        elif not s.retroactive:
            by_sigma.add_(sigma - self.anchor, alpha=2 * s.drift)
        return [by_sigma, by_tau, by_v]

    @torch.no_grad()
    def _gradients_of(
        self,
        part: slice,
        units: slice,
        g: Tensor,
        masks: Tensor,
        by_sigma: Tensor,
        by_tau: Tensor,
        by_v: Tensor,
    ) -> None:
        """The same for the weights ``part`` of P that belong to ``units`` of U, with ``masks``
        (rows, units): few enough to stay near the processor from the first line to the last.
        """
        s = self.settings

        def seen(values: Tensor) -> Tensor:  # (..., P) as (..., units, weights of each)
            return values[..., part].unflatten(-1, (masks.shape[1], -1))

        sigma, tau, M = seen(self.sigma), seen(self.tau[self.rows]), masks[..., None]
        by_theta = seen(by_tau)  # row i is the derivative by θ_i, and then by τ_i
        by_theta[-1] = seen(g)
        if s.retroactive and len(M) > 1:
            moved = torch.mul(sigma, M[:-1], out=by_theta[:-1])
            moved.add_(tau[:-1]).sub_(seen(self.anchor)).mul_(2 * s.drift)
        room = by_theta * M
        seen(by_sigma).copy_(room.sum(0))
        by_v[:, units] = torch.mul(by_theta, sigma, out=room).sum(-1) * masks * (1 - masks)
        if s.sparsity == "subgradient":
            by_theta.add_(torch.sign(tau, out=room), alpha=s.l1)
        by_theta[-1].addcmul_(tau[-1], torch.ones_like(sigma), value=s.weight_decay)

    def update(self, g: Tensor) -> None:
        """One step of σ and the trained rows of τ and v."""
        lr, tau = self.optimizer.lr, self.tau[self.rows]
        self.optimizer.step([self.sigma, tau, self.v[self.rows]], self.gradients(g))
        if self.settings.sparsity == "proximal":
            threshold = self.layout.decomposed * lr * self.settings.l1
            threshold = threshold / self.optimizer.metric(1)
            tau.copy_(tau.sign() * (tau.abs() - threshold).clamp_(min=0))

    @torch.no_grad()
    def keep_best(self, task: Task) -> None:
        """Note σ, τ and v if the validation accuracy is the best so far."""
        correct = count = 0
        self.train(False)
        self.compose(-1)
        for x, y in self.context.validation(task):
            logits = self.scenario.mask(self.net(x), task.index)
            correct += int((logits.argmax(1) == y).sum())
            count += len(y)
        self.train(True)
        if count and (self.best is None or correct / count > self.best[0]):
            self.best = correct / count, [self.sigma.clone(), self.tau.clone(), self.v.clone()]

    def consolidate(self, clusters: int) -> None:
        """Share anew among all tasks; what was shared before goes back to the tasks first."""
        whole = self.tau + torch.stack([self.shared.of(row) for row in range(len(self.tau))])
        s = self.settings
        self.replaced += int(self.pruned(self.shared.values).count_nonzero())
        self.tau, self.shared = consolidate(
            whole, self.shared, clusters, s.gap, s.shared_value, self.generator
        )

    def pruned(self, values: Tensor) -> Tensor:
        """τ or σ̃ (..., P) with zeros for decomposed entries of magnitude ``l1`` or less."""
        small = (values.abs() <= self.settings.l1) & (self.layout.decomposed > 0)
        return values.masked_fill(small, 0.0)

    def forget(self, task: int) -> None:
        """τ, v, biases and head of the task, and what only it took from σ̃; σ stays."""
        if task not in self.learned:
            return
        row = self.learned.index(task)
        self.learned.pop(row)
        self.tau = torch.cat([self.tau[:row], self.tau[row + 1 :]])
        self.v = torch.cat([self.v[:row], self.v[row + 1 :]])
        self.shared.drop_row(row)
        self.net.theta.copy_(self.initial)  # it may hold the task's parameters, composed

    # -- state and record ------------------------------------------------------------------------

    @property
    def parameters(self) -> int:
        """Non-zero parameters after pruning: σ, every v, τ and σ̃."""
        kept = (self.sigma, self.pruned(self.tau), self.pruned(self.shared.values))
        return self.v.numel() + sum(int(values.count_nonzero()) for values in kept)

    def finite(self) -> bool:
        return all(bool(part.isfinite().all()) for part in (self.sigma, self.tau, self.v))

    def metrics(self) -> dict[str, float]:
        """``capacity``: parameters kept over those of one network; and as the authors count."""
        capacity = {"capacity": self.parameters / self.net.size}
        if self.learned:
            capacity["capacity_authors_code"] = self.capacity_authors_code()
        return capacity

    def capacity_authors_code(self) -> float:
        """Non-zero entries after pruning over full size, both as the authors' code has them."""
        layout = self.layout
        shared = int(layout.decomposed.sum())
        tau, values = self.pruned(self.tau), self.pruned(self.shared.values)
        kept = self.v.numel() + self.replaced + int(values.count_nonzero())
        kept += int(self.sigma.count_nonzero()) + int((tau * layout.decomposed).count_nonzero())
        kept += int((tau[-1] * (1 - layout.decomposed)).count_nonzero())
        # their count of heads starts at zero, and a head's biases are not in it
        visible = [self.scenario.multi_head().visible(task) for task in self.learned[:-1]]
        weights = layout.head[: -self.net.outputs]
        heads = sum(int(outputs[weights].sum()) for outputs in visible)
        return kept / (shared + heads)

    def diagnostics(self) -> dict[str, Any]:
        """Capacity after every task, and the entries of τ that each task keeps."""
        kept = [int(self.pruned(tau).count_nonzero()) for tau in self.tau]
        return {"capacity_after_task": self.capacities, "tau_nonzero": kept}
