"""How much the outputs depend on each parameter, measured on inputs without labels.

Source: Aljundi et al. 2018 (arXiv:1711.09601), equations 2-4, and section 4 for the local version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor

from cl_bench.network.hebbian import Hebbian
from cl_bench.network.theta import Network


class Sensitivity:
    """Sums over inputs x of |∂‖F(x; θ)‖² / ∂θ|, F the outputs of ``net``.

    ``scope: local``: every layer's own squared output norm in place of the network's. ``absolute:
    sample`` takes the magnitude of every input's gradient, ``batch`` that of the sum over ``size``
    of them; with ``weights: equal`` a last batch that is smaller counts as much as the others, else
    by its inputs.
    """

    def __init__(
        self,
        net: Network,
        scope: Literal["global", "local"],
        absolute: Literal["sample", "batch"],
        size: int,
        weights: Literal["inputs", "equal"],
    ) -> None:
        self.net, self.scope, self.absolute = net, scope, absolute
        self.size, self.weights = size, weights
        self.hebbian = Hebbian(net)

    def fits(self) -> bool:
        """Whether the network has the layers that the scope asks for."""
        return self.scope == "global" or self.hebbian.fits()

    def add(self, blocks: Iterable[Tensor], visible: Tensor | None, total: Tensor) -> int:
        """Adds the sum over all inputs to ``total`` (P,), and counts them.

        ``visible`` (C,) are the outputs that count; None: all.
        """
        if self.scope == "global" and self.absolute == "batch":
            blocks = whole_batches(blocks, self.size)
        return sum(self._add(x, visible, total) for x in blocks)

    def _add(self, x: Tensor, visible: Tensor | None, total: Tensor) -> int:

        def squared_norm(outputs: Tensor, _: Tensor) -> Tensor:
            return (outputs if visible is None else outputs * visible).square().sum(1)

        if self.scope == "local":
            self.hebbian.add(x, visible, total)
            return len(x)
        if self.absolute == "sample":
            mean = self.net.mean_absolute_gradient(x, x.new_empty(len(x)), squared_norm)
            total.add_(mean, alpha=len(x))
            return len(x)
        count = 0
        for part in x.split(self.size):
            counted = self.size if self.weights == "equal" else len(part)
            g = self.net.gradient(squared_norm(self.net(part), part).sum())
            total.add_(g.abs(), alpha=counted / len(part))
            count += counted
        return count


def whole_batches(blocks: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """The same inputs in the same order, cut at multiples of ``size``; the last may be shorter."""
    rest: Tensor | None = None
    for block in blocks:
        x = block if rest is None else torch.cat([rest, block])
        cut = len(x) - len(x) % size
        rest = x[cut:]
        if cut:
            yield x[:cut]
    if rest is not None and len(rest):
        yield rest
