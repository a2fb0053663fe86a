"""Importance of weights from the activities at both their ends: no gradient is computed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from cl_bench.network.theta import Network


class Hebbian:
    """Σ over samples of |∂‖y‖² / ∂θ|, y the output of the layer that a parameter belongs to.

    Of a layer y = ReLU(W a + b) the derivative by W_ji is 2 y_j a_i: the product of the activities
    before and after the synapse. The last layer's output is linear, y = W a + b, and the
    magnitudes of both factors count. Source: Aljundi et al. 2018 (MAS, arXiv:1711.09601), local
    version.

    For networks of linear and convolutional layers with ReLU after all but the last one.
    Convolutions expect inputs that are not negative.
    """

    def __init__(self, net: Network) -> None:
        self.net = net
        layers = (nn.Linear, nn.Conv2d)
        self.layers = [layer for layer in net.module.modules() if isinstance(layer, layers)]

    def fits(self) -> bool:
        """Whether every trainable parameter belongs to such a layer."""
        held = {id(p) for layer in self.layers for p in layer.parameters(recurse=False)}
        return {id(p) for p in self.net.parameters} == held

    @torch.no_grad()
    def add(self, x: Tensor, visible: Tensor | None, out: Tensor) -> None:
        """Adds the sum over the samples x (n, *input_shape) to ``out`` (P,).

        ``visible`` (C,) bool: the outputs that count; None: all of them.
        """
        calls: list[tuple[nn.Module, Tensor, Tensor]] = []
        hooks = [
            layer.register_forward_hook(lambda layer, a, z: calls.append((layer, a[0], z)))
            for layer in self.layers
        ]
        try:
            self.net(x)
        finally:
            for hook in hooks:
                hook.remove()
        views = dict(zip(map(id, self.net.parameters), self.net.views(out), strict=True))
        last = len(calls) - 1
        for position, (layer, a, z) in enumerate(calls):
            y = z.relu() if position < last else z.abs()
            if position == last and visible is not None:
                y = y * visible
            if isinstance(layer, nn.Linear):
                views[id(layer.weight)].addmm_(y.t(), a.abs(), alpha=2)
            else:
                views[id(layer.weight)] += 2 * conv2d_weight(
                    a, layer.weight.shape, y, layer.stride, layer.padding, layer.dilation,
                    layer.groups,
                )  # fmt: skip
            if layer.bias is not None:
                views[id(layer.bias)].add_(y.transpose(0, 1).flatten(1).sum(1), alpha=2)
