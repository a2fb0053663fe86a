"""Which entries of θ APD decomposes, and the output unit that each of them belongs to."""

from __future__ import annotations

import torch
from torch import Tensor

from cl_bench.errors import UsageError
from cl_bench.network.theta import Network


class Decomposition:
    """The weights of all layers but the last one; biases and the last layer are a task's own.

    ``weights``: the slices of θ (P,) that are weights, ``layers`` those of them that are
    decomposed, ``own`` all that is not; ``decomposed`` (P,) is 1 there and 0 elsewhere; ``units``
    is the number U of their output units (neurons or channels); ``last`` is the slice of θ from the
    last layer on, ``head`` the output (of C) that each of its entries belongs to. A
    :class:`UsageError` for a model with buffers, which are in no task's parameters.
    """

    def __init__(self, net: Network) -> None:
        if next(net.module.buffers(), None) is not None:
            raise UsageError(
                "the statistics of this model (BatchNorm's) would be shared by all tasks, which "
                "the method keeps apart; choose model=lenet, small_cnn or mlp"
            )
        starts = torch.tensor([0, *(p.numel() for p in net.parameters)]).cumsum(0).tolist()
        weights = [i for i, p in enumerate(net.parameters) if p.dim() > 1]
        shapes = [(len(net.parameters[i]), net.parameters[i][0].numel()) for i in weights[:-1]]
        self.weights = [slice(starts[i], starts[i + 1]) for i in weights]
        self.layers = self.weights[:-1]
        ends = [0, *(part.stop for part in self.layers)]
        begins = [*(part.start for part in self.layers), net.size]
        self.own = [slice(*ends) for ends in zip(ends, begins, strict=True)]
        self.widths = [width for width, _ in shapes]
        self.units = sum(self.widths)
        self.decomposed = torch.zeros_like(net.theta)
        for part in self.layers:
            self.decomposed[part] = 1.0
        self.last = slice(starts[weights[-1]], None)
        self.head = torch.cat(
            [
                torch.arange(len(p)).repeat_interleave(p[0].numel())
                for p in net.parameters[weights[-1] :]
            ]
        ).to(net.theta.device)

    def pieces(self, size: int) -> list[tuple[slice, slice]]:
        """The decomposed weights in pieces of about ``size``: where these are in θ, and their units
        (whole ones) among the U."""
        found, first = [], 0
        for part, width in zip(self.layers, self.widths, strict=True):
            each = (part.stop - part.start) // width
            step = max(1, size // each)
            for unit in range(0, width, step):
                last = min(unit + step, width)
                weights = slice(part.start + unit * each, part.start + last * each)
                found.append((weights, slice(first + unit, first + last)))
            first += width
        return found

    def spread(self, units: Tensor) -> Tensor:
        """Values (..., U) of the units at all their weights, (..., P); 0 outside of these."""
        out = units.new_zeros(*units.shape[:-1], len(self.decomposed))
        for part, width, values in self._each(units):
            out[..., part].unflatten(-1, (width, -1)).copy_(values[..., None])
        return out

    def collect(self, vector: Tensor) -> Tensor:
        """The sum over the weights of each unit, (..., U), of a vector (..., P)."""
        parts = zip(self.layers, self.widths, strict=True)
        return torch.cat(
            [vector[..., part].unflatten(-1, (width, -1)).sum(-1) for part, width in parts], -1
        )

    def _each(self, units: Tensor) -> zip:
        return zip(self.layers, self.widths, units.split(self.widths, -1), strict=True)
