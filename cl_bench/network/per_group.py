"""Gradients of many groups of samples, for networks that are stacks of linear layers.

The weight gradient of a group is Σ_i δ_i a_iᵀ in every layer: one matrix product, written to where
it is wanted. Groups go through the network some at a time, each such piece in one thread, so that
no digit depends on their number.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.network.linear_stack import LANES, Forward, LinearStack, backward, product
from cl_bench.network.workers import Workers

# samples of a piece, and those that a second thread is no help with: what Python does for a piece
# takes as long as some 500 samples, and twice as long beside another thread
ROWS, FEW = 2560, 1024
MANY = 128  # samples whose losses are worth another layout of the logits

# (logits (n, C), which samples of the batch) -> loss of every sample (n,)
SampleLoss = Callable[[Tensor, slice], Tensor]


class Groups:
    """Samples of K groups: ``x`` is (K, m, *input_shape); group k is its first ``counts[k]``
    samples, the rest is padding.

    ``pieces`` are ranges of groups that go through a network together, ``inputs`` are their flat
    samples, padding too, and ``shares`` what each sample's loss counts in the mean of its group's:
    1 / n, of padding nothing. ``dtype`` is that of the products that they enter; None: their own.
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
        self.pieces = _pieces(len(counts), self.size)
        flat = (x if dtype is None else x.to(dtype)).flatten(2)
        self.inputs = [flat[piece.start : piece.stop].flatten(0, 1) for piece in self.pieces]
        shares = x.new_zeros(len(counts), self.size, dtype=torch.get_default_dtype())
        for row, n in zip(shares, counts, strict=True):
            row[:n] = 1 / n
        self.shares = [shares[piece.start : piece.stop].flatten() for piece in self.pieces]

    def __len__(self) -> int:
        return len(self.counts)

    def rows(self, k: int) -> slice:
        """Where the samples of group k are in the flattened (K·m) batch."""
        return slice(k * self.size, k * self.size + self.counts[k])


def _pieces(groups: int, size: int) -> list[range]:
    """An even number of pieces of at most some ROWS samples, so that two threads get as much to
    do, or one of FEW; the number of threads has no say in it."""
    some = 1 if groups * size <= FEW else min(groups, 2 * math.ceil(groups * size / (2 * ROWS)))
    ends = [groups * number // some for number in range(some + 1)]
    return [range(start, end) for start, end in itertools.pairwise(ends)]


class Gradients:
    """The gradients of K groups' mean losses by the weights of now, as a matrix G (K, P)."""

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows

    def formed(self) -> Tensor:
        """G (K, P)."""
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def inner(self, others: Gradients) -> Tensor:
        """The inner products (K, K') with the gradients of K' other groups."""
        return self.formed() @ others.formed().t()

    def lengths(self) -> Tensor:
        """The norm (K,) of every gradient."""
        return self.formed().norm(dim=1)

    def cosines(self, others: Gradients) -> Tensor:
        """The cosines (K, K') with the gradients of K' other groups; 0 with one that is 0."""
        inner = self.inner(others)  # first: a stack takes what it needs for it on its way forward
        return inner / (self.lengths()[:, None] * others.lengths()).clamp(min=1e-12)


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
        self._known: list[list[AtLayer]] = []  # of every piece, once it is asked for

    @torch.no_grad()
    def formed(self) -> Tensor:
        parts, dtype = _parts(self._stack), self._groups.dtype
        back = self._passes()

        def form(place: int) -> None:
            # few operations, of all groups at once: each gives the interpreter's lock away
            piece, layers = self._groups.pieces[place], back(place)
            rows = self._rows[piece.start : piece.stop]
            for (a, delta, _), (weight_part, bias_part) in zip(layers, parts, strict=True):
                a, delta = (each.unflatten(0, (len(piece), -1)) for each in (a, delta))
                weight = rows[:, weight_part].unflatten(1, (delta.shape[2], a.shape[2]))
                if dtype is None:
                    torch.bmm(delta.mT, a, out=weight)
                else:
                    weight.copy_(torch.bmm(delta.mT.to(dtype), a.to(dtype)))
                torch.sum(delta, 1, out=rows[:, bias_part])

        self._workers.map(form, range(len(self._groups.pieces)))
        return self._rows

    @torch.no_grad()
    def inner(self, others: Gradients) -> Tensor:
        """G G'ᵀ, which need not be formed: ⟨Σ_i δ_i a_iᵀ, Σ_j d_j b_jᵀ⟩ = Σ_ij (δ_i·d_j)(a_i·b_j).

        That is less work if there are few samples j to a group.
        """
        if self._known or not isinstance(others, StackGradients) or not others._few():
            return super().inner(others)
        shown, dtype, size = others._samples(), self._groups.dtype, self._groups.size
        back = self._passes(shown[0][0])

        def with_others(place: int) -> Tensor:
            found = None
            for layer, (b, d) in zip(back(place), shown, strict=True):
                # a bias is the weight of an input of one
                known = layer.beside if found is None else product(layer.a, b.t(), dtype).add_(1)
                same = torch.mm(layer.delta, d.t())
                found = same.mul_(known) if found is None else found.addcmul_(same, known)
            pairs = found.view(-1, size, len(others), others._groups.size)
            return pairs.transpose(1, 2).flatten(2).sum(2)

        return torch.cat(self._workers.map(with_others, range(len(self._groups.pieces))))

    @torch.no_grad()
    def lengths(self) -> Tensor:
        """As :meth:`inner` has it, of each with itself."""
        if not self._few():
            return super().lengths()
        squares = self._rows.new_zeros(len(self))
        for a, delta in self._samples():
            a, delta = (each.unflatten(0, (len(self), -1)) for each in (a, delta))
            squares += (torch.bmm(a, a.mT).add_(1) * torch.bmm(delta, delta.mT)).sum((1, 2))
        return squares.clamp_(min=0).sqrt_()

    def _samples(self) -> list[tuple[Tensor, Tensor]]:
        """Of every layer the inputs and the derivatives (K·m, ·) of all samples."""
        back = self._passes()
        each = zip(*(back(place) for place in range(len(self._groups.pieces))), strict=True)
        return [
            (torch.cat([part.a for part in parts]), torch.cat([part.delta for part in parts]))
            for parts in each
        ]

    def _passes(self, beside: Tensor | None = None) -> Callable[[int], list[AtLayer]]:
        """What the samples of a piece have at every layer, the first one first: a way forward and
        back through the stack if it is asked for it for the first time."""
        groups = self._groups
        if self._known:
            return self._known.__getitem__
        forward = Forward(self._stack, groups.dtype, beside)
        self._known = [[] for _ in groups.pieces]

        def there_and_back(place: int) -> list[AtLayer]:
            if not self._known[place]:
                piece = groups.pieces[place]
                passed = forward(groups.inputs[place])
                rows = slice(piece.start * groups.size, piece.stop * groups.size)
                logits = _classes_apart(passed.outputs)
                delta = _by_logits(
                    logits, lambda z: torch.dot(self._loss(z, rows), groups.shares[place])
                )
                # however the loss lays them out, the products that follow are formed in one way
                back = backward(self._stack, passed, delta.contiguous(), groups.dtype)
                self._known[place] = [AtLayer(a, d, passed.beside) for _, a, d in back][::-1]
            return self._known[place]

        return there_and_back

    def _few(self) -> bool:
        """Whether inner products with these gradients are less work without them."""
        widths = sum(layer.in_features + layer.out_features for layer in self._stack.layers)
        return 2 * self._groups.size * widths < self._rows.shape[1]


def _classes_apart(logits: Tensor) -> Tensor:
    """The logits (n, C), those of a class beside each other where a sample has fewer than a
    processor takes at a time, which are then taken one by one."""
    if len(logits) > MANY and logits.shape[1] < LANES and logits.device.type == "cpu":
        return logits.t().contiguous().t()
    return logits


class AtLayer(NamedTuple):
    """A layer's inputs (n, ·), the derivatives δ (n, ·) of the loss by its outputs, and the inputs'
    products (n, b) with what was shown beside them, if it is the first."""

    a: Tensor
    delta: Tensor
    beside: Tensor


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
