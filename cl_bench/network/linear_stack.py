"""Linear layers with ReLU between them: forward and backward by hand, any piece in any thread.

No graph is recorded. For z = W a + b the backward pass needs the inputs a and δ = ∂loss/∂z of every
layer; what is made of them is said by the caller, who may never form the gradient of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

# numbers that a processor takes at a time: a product of 110 columns takes longer than one of 112
LANES = 16


class LinearStack(nn.Module):
    """``layers`` one after the other, with ReLU between; inputs (n, ...) are flattened."""

    layers: Any  # nn.ModuleList of nn.Linear, which no type can say

    def forward(self, x: Tensor) -> Tensor:
        return self.after_first(self.layers[0](x.flatten(1)))

    def after_first(self, z: Tensor) -> Tensor:
        """The outputs (n, C) for pre-activations z (n, width) of the first layer."""
        for layer in self.layers[1:]:
            z = layer(z.relu())
        return z


def stack_of(layers: Sequence[nn.Linear]) -> LinearStack:
    """A stack of layers that are those of other modules too."""
    stack = LinearStack()
    stack.layers = nn.ModuleList(layers)
    return stack


class Fan:
    """K stacks that differ in the weights of their first layers alone, on the same inputs.

    ``weights`` are K times (width, D). Their first layers are one product, and so is every later
    one. Products are formed in ``dtype``, if it is given.
    """

    def __init__(
        self,
        stack: LinearStack,
        weights: Sequence[Tensor],
        dtype: torch.dtype | None = None,
    ) -> None:
        self.stack = stack
        self.count = len(weights)
        self.dtype = dtype
        # those of an input beside each other: which inputs there are is told with every block
        together = torch.cat([weight.t() for weight in weights], 1)
        self._weights = together if dtype is None else together.to(dtype)
        self.bias = stack.layers[0].bias.repeat(self.count)

    def __call__(self, x: Tensor, columns: Tensor) -> Tensor:
        """Outputs (n, K, C) of flat inputs (n, d): those at ``columns`` (d,), the rest are zero."""
        weights = self._weights.index_select(0, columns)
        a = affine(x, weights, self.bias, self.dtype).view(len(x) * self.count, -1)
        for layer in self.stack.layers[1:]:
            a = affine(a.relu_(), layer.weight.t(), layer.bias, self.dtype)
        return a.view(len(x), self.count, -1)


class Passed(NamedTuple):
    """Samples that went forward: their outputs (n, C), the inputs (n, ·) of every layer, and the
    products (n, b) of the first layer's with what was shown ``beside``."""

    outputs: Tensor
    inputs: list[Tensor]
    beside: Tensor


class Forward:
    """The way forward through a stack with its weights of now.

    Products are formed in ``dtype``, if it is given, all else in the parameters' own type.
    ``beside`` (b, D) are other inputs of the first layer: a·b + 1 with each is formed for all
    samples a, in one product with the weights, where a few columns more take next to no time.
    """

    def __init__(
        self,
        stack: LinearStack,
        dtype: torch.dtype | None = None,
        beside: Tensor | None = None,
    ) -> None:
        self._dtype = dtype
        weights = [layer.weight.detach() for layer in stack.layers]
        self._biases = [layer.bias.detach() for layer in stack.layers]
        self._width, self._beside = len(weights[0]), 0
        if beside is not None:
            self._beside = len(beside)
            spare = beside.new_zeros(-(self._width + self._beside) % LANES, beside.shape[1])
            weights[0] = torch.cat([weights[0], beside, spare])
            ones = beside.new_ones(self._beside + len(spare))
            self._biases[0] = torch.cat([self._biases[0], ones])
        self._weights = [(w if dtype is None else w.to(dtype)).t() for w in weights]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Passed:
        """Flat inputs (n, D) through the stack."""
        z = affine(x, self._weights[0], self._biases[0], self._dtype)
        inputs, beside = [x], z[:, self._width : self._width + self._beside]
        z = z[:, : self._width]
        for weights, bias in zip(self._weights[1:], self._biases[1:], strict=True):
            inputs.append(z.relu_())
            z = affine(inputs[-1], weights, bias, self._dtype)
        return Passed(z, inputs, beside)


@torch.no_grad()
def backward(
    stack: LinearStack, passed: Passed, delta: Tensor, dtype: torch.dtype | None = None
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Position, inputs a and δ (n, ·) of every layer, the last one first.

    ``delta`` (n, C) is the derivative of the loss by the outputs.
    """
    last = len(stack.layers) - 1
    for position in range(last, -1, -1):
        a = passed.inputs[position]
        yield position, a, delta
        if position:
            delta = product(delta, stack.layers[position].weight, dtype)
            # as autograd has it, but in place
            torch.ops.aten.threshold_backward(delta, a, 0, grad_input=delta)


def affine(a: Tensor, weights: Tensor, bias: Tensor, dtype: torch.dtype | None) -> Tensor:
    """a ``weights`` + ``bias``, the product as in :func:`product`."""
    if dtype is None:
        return torch.addmm(bias, a, weights)
    return product(a, weights, dtype).add_(bias)


def product(a: Tensor, b: Tensor, dtype: torch.dtype | None) -> Tensor:
    """a b, of factors that are rounded to ``dtype`` if it is given."""
    if dtype is None:
        return torch.mm(a, b)
    return torch.mm(a.to(dtype), b.to(dtype)).to(torch.get_default_dtype())
