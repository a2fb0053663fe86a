"""Gradients of many groups of samples, for networks that are stacks of linear layers.

The weight gradient of a group is Σ_i δ_i a_iᵀ in every layer: one matrix product, written to where
it is wanted. A group is a piece of work for one thread, so that no digit depends on their number.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cl_bench.network.linear_stack import LinearStack, Passed, backward, forward, product
from cl_bench.network.workers import Workers

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


def group_gradients(
    stack: LinearStack, groups: Groups, sample_loss: SampleLoss, out: Tensor, workers: Workers
) -> None:
    """Row k of ``out`` (K, P) becomes the gradient of the mean loss of group k."""
    logits = out.new_zeros(len(groups) * groups.size, stack.layers[-1].out_features)
    parts = _parts(stack)

    def there(k: int) -> Passed:
        passed = forward(stack, groups.flat[k], groups.dtype)
        logits[groups.rows(k)] = passed.outputs
        return passed

    passed = workers.map(there, range(len(groups)))
    deltas = _by_logits(logits, lambda z: groups.mean_losses(sample_loss(z, slice(0, len(z)))))

    @torch.no_grad()
    def back(k: int) -> None:
        for position, a, delta in backward(stack, passed[k], deltas[groups.rows(k)], groups.dtype):
            weight, bias = (out[k, part] for part in parts[position])
            weight = weight.view(stack.layers[position].weight.shape)
            if groups.dtype is None:
                torch.mm(delta.t(), a, out=weight)
            else:
                weight.copy_(product(delta.t(), a, groups.dtype))
            torch.sum(delta, 0, out=bias)

    workers.map(back, range(len(groups)))


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
    passed = forward(stack, x.flatten(1))
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
