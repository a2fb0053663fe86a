"""Gradients of many groups of samples in one pass, for networks made of linear layers.

For z = W a + b the weight gradient of a group is Σ_i δ_i a_iᵀ with δ_i = ∂loss/∂z_i. One forward
and one backward pass over all groups together give every a and δ; each group's gradient is then
one matrix product, written to where it is wanted. No weight gradient of the whole batch is formed.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

LARGE = 4096  # weights; from here on one product per group beats a batched one on the CPU


class LinearTape:
    """Records inputs and pre-activations of the linear layers during a forward pass."""

    def __init__(self, module: nn.Module, layers: list[nn.Linear]) -> None:
        self.module = module
        self.layers = layers
        self._calls: list[tuple[nn.Linear, Tensor, Tensor]] | None = None
        for layer in layers:
            layer.register_forward_hook(self._hook)

    @staticmethod
    def forget(module: nn.Module) -> None:
        """Remove what a tape has attached to a module that this one is a copy of."""
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                layer._forward_hooks.clear()

    @classmethod
    def of(cls, module: nn.Module) -> LinearTape | None:
        """A tape, or None if the module has trainable parameters outside of linear layers."""
        layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
        held = [p for layer in layers for p in layer.parameters(recurse=False)]
        trainable = [p for p in module.parameters() if p.requires_grad]
        same = len(held) == len(trainable) and all(
            a is b for a, b in zip(held, trainable, strict=True)
        )
        return cls(module, layers) if layers and same else None

    def record(self, x: Tensor) -> Tensor:
        """Logits of x (n, ...), with a graph that ends at the first pre-activation."""
        self._calls = []
        self._require_grad(False)
        try:
            return self.module(x)
        finally:
            self._require_grad(True)

    @torch.no_grad()
    def group_gradients(self, loss: Tensor, groups: int, out: Tensor) -> None:
        """Row k of ``out`` (K, P) is the gradient of the part of ``loss`` that is due to group k.

        The recorded batch holds the groups one after the other, of equal size.
        """
        column = 0
        for layer, a, delta in self._play(loss):
            delta, a = delta.unflatten(0, (groups, -1)), a.unflatten(0, (groups, -1))
            weights = out[:, column : column + layer.weight.numel()].unflatten(
                1, layer.weight.shape
            )
            if a.is_cuda or layer.weight.numel() < LARGE:
                torch.bmm(delta.transpose(1, 2), a, out=weights)
            else:
                for k in range(groups):
                    torch.mm(delta[k].t(), a[k], out=weights[k])
            column += layer.weight.numel()
            if layer.bias is not None:
                torch.sum(delta, 1, out=out[:, column : column + layer.bias.numel()])
                column += layer.bias.numel()

    @torch.no_grad()
    def add_gradients_to_the(self, order: int, loss: Tensor, out: Tensor) -> None:
        """Adds Σ_i |g_i|**order to ``out`` (P,), g_i the gradient due to sample i of ``loss``.

        ``loss`` is a sum over the recorded samples. |δ_i a_iᵀ|**order is the outer product of
        |δ_i|**order and |a_i|**order, so the sum over i is one matrix product; no sample's
        gradient is formed.
        """
        column = 0
        for layer, a, delta in self._play(loss):
            delta, a = delta.abs().pow_(order), a.abs().pow_(order)
            weight = out[column : column + layer.weight.numel()].view(layer.weight.shape)
            weight.addmm_(delta.t(), a)
            column += layer.weight.numel()
            if layer.bias is not None:
                out[column : column + layer.bias.numel()] += delta.sum(0)
                column += layer.bias.numel()

    def _play(self, loss: Tensor) -> Iterator[tuple[nn.Linear, Tensor, Tensor]]:
        """Every layer with its input a and δ of the recorded pass, which is over then."""
        calls, self._calls = self._calls, None
        # layers may be called in another order than they are registered in
        found = {layer: (a, z) for layer, a, z in calls}
        if len(calls) != len(self.layers) or len(found) != len(self.layers):
            raise RuntimeError("a linear layer was not used exactly once in a forward pass")
        deltas = torch.autograd.grad(loss, [found[layer][1] for layer in self.layers])
        inputs = [found[layer][0] for layer in self.layers]
        return zip(self.layers, inputs, deltas, strict=True)

    def _hook(self, layer: nn.Linear, inputs: tuple[Tensor], output: Tensor) -> None:
        if self._calls is not None:
            if not output.requires_grad:
                output.requires_grad_()
            self._calls.append((layer, inputs[0], output))

    def _require_grad(self, on: bool) -> None:
        for layer in self.layers:
            layer.weight.requires_grad_(on)
            if layer.bias is not None:
                layer.bias.requires_grad_(on)
