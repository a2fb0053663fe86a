"""Gradients of many groups of samples, for networks that are stacks of linear layers.

The weight gradient of a group is Σ_i δ_i a_iᵀ in every layer: one matrix product, written to where
it is wanted. A group is a piece of work for one thread, so that no digit depends on their number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.network.linear_stack import LANES, Forward, LinearStack, Passed, backward, product
from cl_bench.network.workers import Workers

MANY = 128  # samples whose losses are worth another layout of the logits

# (logits (n, C), which samples of the batch) -> loss of every sample (n,)
SampleLoss = Callable[[Tensor, slice], Tensor]


class Groups:
    """Samples of K groups: ``x`` is (K, m, *input_shape); group k is its first ``counts[k]``
    samples, the rest is padding.

    ``dtype`` is that of the products that they enter; None: their own.
    """

    def __init__(
        self,
        x: Tensor,
        counts: list[int],
        dtype: torch.dtype | None = None,
    ) -> None:
        self.x = x
        self.counts = counts
        self.size = x.shape[1]  # m
        self.dtype = dtype
        inputs = x if dtype is None else x.to(dtype)
        self.flat = [part[:n].flatten(1) for part, n in zip(inputs, counts, strict=True)]

    def __len__(self) -> int:
        return len(self.counts)

    def rows(self, k: int) -> slice:
        """Where the samples of group k are in the flattened (K·m) batch."""
        return slice(k * self.size, k * self.size + self.counts[k])

    def mean_losses(self, losses: Tensor) -> Tensor:
        """The sum of the groups' mean losses, of every sample's loss (K·m,)."""
        rows = losses.view(len(self), self.size)
        if set(self.counts) == {self.size}:
            return rows.mean(1).sum()
        return sum(row[:n].mean() for row, n in zip(rows, self.counts, strict=True))


class Gradients:
    """The gradients of K groups' mean losses by the weights of now, as a matrix G (K, P)."""

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows

    def formed(self) -> Tensor:
        """G (K, P)."""
        return self._rows

    def inner(self, one: Gradients) -> Tensor:
        """G g (K,) for the gradient g of the only group of ``one``."""
        return self.formed() @ one.formed()[0]


class StackGradients(Gradients):
    """Those of a stack of linear layers, formed in ``rows`` when they are asked for; until then
    the weights must stay.

    A layer's part of the gradient of a group is Σ_i δ_i a_iᵀ.
    """

    def __init__(
        self,
        stack: LinearStack,
        groups: Groups,
        sample_loss: SampleLoss,
        rows: Tensor,
        workers: Workers,
    ) -> None:
        super().__init__(rows)
        self._stack, self._groups, self._loss, self._workers = stack, groups, sample_loss, workers
        self._passed: list[Passed] = []
        self._layers: list[list[AtLayer]] = [[] for _ in range(len(groups))]

    @torch.no_grad()
    def formed(self) -> Tensor:
        if not self._passed:
            self._forward()
        parts, dtype = _parts(self._stack), self._groups.dtype

        def form(k: int) -> None:
            for (a, delta), (weight_part, bias_part) in zip(self._back(k), parts, strict=True):
                weight = self._rows[k, weight_part].view(delta.shape[1], a.shape[1])
                if dtype is None:
                    torch.mm(delta.t(), a, out=weight)
                else:
                    weight.copy_(product(delta.t(), a, dtype))
                torch.sum(delta, 0, out=self._rows[k, bias_part])

        self._workers.map(form, range(len(self._groups)))
        return self._rows

    @torch.no_grad()
    def inner(self, one: Gradients) -> Tensor:
        """G g, which need not be formed: ⟨Σ_i δ_i a_iᵀ, Σ_j d_j b_jᵀ⟩ = Σ_ij (δ_i·d_j)(a_i·b_j).

        That is less work if there are few samples j.
        """
        if self._passed or not isinstance(one, StackGradients) or not one._few():
            return super().inner(one)
        single, dtype = one._back(0), self._groups.dtype
        self._forward(single[0].a)

        def with_one(k: int) -> Tensor:
            ours = self._back(k)
            # a bias is the weight of an input of one
            inputs = [self._passed[k].beside.t()] + [
                product(other.a, layer.a.t(), dtype).add_(1)
                for layer, other in zip(ours[1:], single[1:], strict=True)
            ]
            return torch.stack(
                [
                    torch.mm(other.delta, layer.delta.t()).mul_(a).sum()
                    for layer, other, a in zip(ours, single, inputs, strict=True)
                ]
            ).sum()

        return torch.stack(self._workers.map(with_one, range(len(self._groups))))

    def _forward(self, beside: Tensor | None = None) -> None:
        """All groups, and the derivative of the loss by their outputs."""
        groups = self._groups
        forward = Forward(self._stack, groups.dtype, beside)
        logits = self._logits()

        def there(k: int) -> Passed:
            passed = forward(groups.flat[k])
            logits[groups.rows(k)] = passed.outputs
            return passed

        self._passed = self._workers.map(there, range(len(groups)))
        self._by_logits = _by_logits(
            logits, lambda z: groups.mean_losses(self._loss(z, slice(0, len(z))))
        )

    def _logits(self) -> Tensor:
        """Room for the outputs (K·m, C); those of a class beside each other, where a sample has
        fewer than a processor takes at a time, which are then taken one by one."""
        n, count = len(self._groups) * self._groups.size, len(self._stack.layers[-1].bias)
        if n > MANY and count < LANES and self._rows.device.type == "cpu":
            return self._rows.new_zeros(count, n).t()
        return self._rows.new_zeros(n, count)

    def _back(self, k: int) -> list[AtLayer]:
        """What group k has at every layer, the first one first."""
        if not self._passed:
            self._forward()
        if not self._layers[k]:
            # however the loss lays them out, the products that follow are formed in one way
            deltas = self._by_logits[self._groups.rows(k)].contiguous()
            layers = backward(self._stack, self._passed[k], deltas, self._groups.dtype)
            self._layers[k] = [AtLayer(a, delta) for _, a, delta in layers][::-1]
        return self._layers[k]

    def _few(self) -> bool:
        """Whether inner products with this group's gradient are less work without it."""
        widths = sum(layer.in_features + layer.out_features for layer in self._stack.layers)
        return 2 * self._groups.counts[0] * widths < self._rows.shape[1]


class AtLayer(NamedTuple):
    """A layer's inputs (n, ·) and the derivatives δ (n, ·) of the loss by its outputs."""

    a: Tensor
    delta: Tensor


def add_gradients_to_the(
    order: int,
    stack: LinearStack,
    x: Tensor,
    loss: Callable[[Tensor], Tensor],
    out: Tensor,
) -> None:
    """Adds Σ_i |g_i|**order to ``out`` (P,), g_i the gradient due to sample i of ``loss``.

    ``loss`` of logits (n, C) is a sum over the samples x (n, ...). |δ_i a_iᵀ|**order is the outer
    product of |δ_i|**order and |a_i|**order, so the sum over i is one matrix product; no sample's
    gradient is formed.
    """
    passed = Forward(stack)(x.flatten(1))
    parts = _parts(stack)
    with torch.no_grad():
        for position, a, delta in backward(stack, passed, _by_logits(passed.outputs, loss)):
            weight, bias = (out[part] for part in parts[position])
            weight = weight.view(stack.layers[position].weight.shape)
            powers = delta.abs().pow_(order)
            weight.addmm_(powers.t(), a.abs().pow_(order))
            bias += powers.sum(0)


def _by_logits(logits: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """The derivative of a loss by the logits."""
    with torch.enable_grad():
        leaf = logits.detach().requires_grad_()
        return torch.autograd.grad(loss(leaf), leaf)[0]


def _parts(stack: LinearStack) -> list[tuple[slice, slice]]:
    """Where weight and bias of every layer are in θ."""
    parts, start = [], 0
    for layer in stack.layers:
        middle = start + layer.weight.numel()
        end = middle + layer.bias.numel()
        parts.append((slice(start, middle), slice(middle, end)))
        start = end
    return parts
