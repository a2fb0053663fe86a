"""Chains of SGD steps on one sample each, with Reptile's interpolations: what MER is made of.

θ ← θ₀ + β (θ - θ₀) after every batch and, across the batches of one stream sample, with γ
(Riemer et al. 2019, algorithms 1, 6 and 7; Nichol et al. 2018 for the interpolation).
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.memory.base import Memory
from cl_bench.models.mlp import MLP
from cl_bench.network.theta import Network
from cl_bench.streams.scenario import Scenario


@dataclass(frozen=True)
class Rule:
    """The numbers of a chain.

    ``scale`` multiplies the loss of the current sample, ``clip`` bounds the norm of a gradient
    (None: no bound), ``within`` and ``across`` are the paper's β and γ. ``batch``: in place of
    one current sample there are several, learned in one step, and BatchNorm's running statistics
    do not go back.
    """

    lr: float
    scale: float
    clip: float | None
    within: float
    across: float
    batch: bool = False


class InnerLoop:
    """A chain through autograd: any network, any device."""

    kernel = "generic"

    def __init__(self, net: Network, scenario: Scenario, tasks: int, rule: Rule) -> None:
        self.net = net
        self.scenario = scenario
        self.tasks = tasks
        self.rule = rule

    def run(self, x: Tensor, y: Tensor, task: int, memory: Memory, rows: Tensor) -> None:
        """Learn the sample x (1, *input_shape), y (1,) of ``task`` with replay, θ in place.

        ``rows`` (s, n+1), int64 on the CPU, are s batches in the order of their steps: rows of
        the memory, and -1 for the sample itself, or for the samples x (b, *input_shape), y (b,).
        """
        anchor = self._state()
        place = rows.to(y.device)
        task_ids = memory.task_ids(place.clamp(min=0)).masked_fill(place < 0, task)
        for batch, batch_task_ids in zip(rows.tolist(), task_ids, strict=True):
            start = self._state()
            for row, task_id in zip(batch, batch_task_ids.split(1), strict=True):
                if row < 0:
                    self._step(x, y, task_id.expand(len(y)), self.rule.scale)
                else:
                    self._step(memory.x[row : row + 1], memory.y[row : row + 1], task_id, 1.0)
            self._interpolate(start, self.rule.within)
        self._interpolate(anchor, self.rule.across)

    def _step(self, x: Tensor, y: Tensor, task_ids: Tensor, scale: float) -> None:
        g = self.net.gradient(self.scenario.loss(self.net(x), y, task_ids).mean() * scale)
        if self.rule.clip is not None:
            g.mul_((self.rule.clip / (g.norm() + 1e-6)).clamp(max=1))
        self.net.theta.add_(g, alpha=-self.rule.lr)

    def _state(self) -> list[Tensor]:
        """What goes back, copied: θ and the floating-point buffers (running statistics)."""
        return [tensor.clone() for tensor in self._tensors()]

    def _interpolate(self, start: list[Tensor], weight: float) -> None:
        # lerp is exact at 0 and at 1
        for tensor, old in zip(self._tensors(), start, strict=True):
            torch.lerp(old, tensor, weight, out=tensor)

    def _tensors(self) -> list[Tensor]:
        buffers = () if self.rule.batch else self.net.module.buffers()
        return [self.net.theta, *(b for b in buffers if b.is_floating_point())]


class CompiledInnerLoop(InnerLoop):
    """The same chain as compiled code working on θ's own storage: ReLU MLPs on the CPU.

    The network's weight matrices are laid out input-major in θ from here on; they remain views
    of θ and the module works as before, but θ's order is no longer ``parameters()``'s.
    """

    kernel = "compiled"

    def __init__(self, net: Network, scenario: Scenario, tasks: int, rule: Rule) -> None:
        from cl_bench.methods.parts.inner_loop_numba import run_inner_loop

        super().__init__(net, scenario, tasks, rule)
        self._run_inner_loop = run_inner_loop
        layers: Any = net.module.layers
        widths = [layers[0].in_features, *(layer.out_features for layer in layers)]
        for layer, view in zip(layers, net.views(net.theta)[::2], strict=True):
            stored = view.flatten().view(layer.in_features, layer.out_features)
            stored.copy_(layer.weight.data.t().clone())
            layer.weight.data = stored.t()
        sizes = [n_in * n_out + n_out for n_in, n_out in pairwise(widths)]
        self._room = (
            np.empty(net.size, np.float32),
            np.empty(net.size, np.float32),
            np.array(widths),
            np.cumsum([0, *widths[:-1]]),
            np.cumsum([0, *sizes[:-1]]),
            np.zeros(sum(widths), np.float32),
            np.zeros(sum(widths), np.float32),
            np.zeros(sum(widths), np.int64),
            np.zeros(len(layers), np.int64),
            np.zeros(sum(widths), np.int64),
        )
        self._every_output = torch.ones(tasks, widths[-1], dtype=torch.bool)

    def run(self, x: Tensor, y: Tensor, task: int, memory: Memory, rows: Tensor) -> None:
        visible = self.scenario.visible(torch.arange(self.tasks))
        visible = self._every_output if visible is None else visible.contiguous()
        task_ids = memory.task_ids(rows.clamp(min=0))
        rule = self.rule
        self.net.passes.add(rows.numel())
        self._run_inner_loop(
            self.net.theta.numpy(),
            *self._room,
            x.flatten().contiguous().numpy(),
            int(y),
            task,
            memory.x.flatten(1).numpy(),
            memory.y.numpy(),
            rows.contiguous().numpy(),
            task_ids.contiguous().numpy(),
            visible.numpy(),
            rule.lr,
            rule.scale,
            rule.clip or 0.0,
            rule.within,
            rule.across,
        )


def make_inner_loop(
    net: Network,
    scenario: Scenario,
    tasks: int,
    rule: Rule,
    kernel: Literal["auto", "compiled", "generic"],
) -> tuple[InnerLoop, str]:
    """The chain that ``kernel`` asks for, and a few words on why it is this one.

    ``auto`` is the compiled one where it is possible; ``compiled`` raises a ``UsageError`` where
    it is not.
    """
    if kernel == "generic":
        return InnerLoop(net, scenario, tasks, rule), "as asked for"
    obstacle = _obstacle(net, scenario, rule)
    if obstacle is None:
        return CompiledInnerLoop(net, scenario, tasks, rule), "ReLU MLP on the CPU"
    if kernel == "compiled":
        raise UsageError(f"method.kernel=compiled: {obstacle}; use method.kernel=auto")
    return InnerLoop(net, scenario, tasks, rule), obstacle


def _obstacle(net: Network, scenario: Scenario, rule: Rule) -> str | None:
    """Why the compiled inner loop cannot run this rule on this network, or None."""
    if rule.batch:
        return "the compiled inner loop learns one sample at a time"
    if scenario.numbers:
        return "the compiled inner loop is for classes"
    if type(net.module) is not MLP:
        return "the compiled inner loop is for model=mlp"
    if net.theta.device.type != "cpu" or net.theta.dtype != torch.float32:
        return "the compiled inner loop is for float32 on the CPU"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Environment variable")
            importlib.import_module("cl_bench.methods.parts.inner_loop_numba")
    except ModuleNotFoundError:
        return "numba is not installed (pip install 'cl-bench[fast]')"
    except (ImportError, RuntimeError, ValueError, RuntimeWarning) as error:
        # a NumPy it cannot use; no folder it may write; a variable that it cannot read
        reason = str(error).splitlines()[0]
        return (
            f"numba does not start ({reason}; correct the NUMBA_ variables of the environment: "
            "NUMBA_CACHE_DIR names a folder for its cache)"
        )
    return None
