"""Fully connected ReLU network, GEM's and MER's model for MNIST."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from cl_bench.config.schema import Section
from cl_bench.network.linear_stack import LinearStack
from cl_bench.network.uninitialised import uninitialised


class MLP(LinearStack):
    """Linear layers of widths D, ``hidden``..., C with ReLU between; inputs are flattened.

    ``init: xavier`` draws weights uniformly from ±√(6 / (fan_in + fan_out)) with zero biases, as
    the GEM authors do; 784-100-100-10 has 89,610 parameters. ``truncated``: weights from a normal
    distribution of deviation 0.1, cut off at two deviations, biases 0.1, as the A-GEM authors do.
    ``torch``: weights and biases uniformly from ±1/√fan_in, as torch's layers begin (Hsu et al.
    2018, MIR); ``kaiming``: weights from N(0, 2/fan_in) with zero biases (La-MAML).
    """

    class Settings(Section):
        hidden: list[Annotated[int, Field(ge=1)]] = Field(max_length=64)
        init: Literal["xavier", "truncated", "torch", "kaiming"]

        def narrowed(self, parts: int) -> dict[str, Any]:
            """The changes that make every hidden layer 1/parts as wide, one unit at least."""
            return {"hidden": [max(1, width // parts) for width in self.hidden]}

    def __init__(
        self,
        settings: Settings,
        input_shape: tuple[int, ...],
        classes: int,
    ) -> None:
        super().__init__()
        widths = [math.prod(input_shape), *settings.hidden, classes]
        self.layers = nn.ModuleList(
            uninitialised(nn.Linear, fan_in, fan_out)
            for fan_in, fan_out in itertools.pairwise(widths)
        )
        for layer in self.layers:
            match settings.init:
                case "xavier":
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(layer.bias)
                case "truncated":
                    nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
                    nn.init.constant_(layer.bias, 0.1)
                case "torch":
                    bound = layer.in_features**-0.5
                    nn.init.uniform_(layer.weight, -bound, bound)
                    nn.init.uniform_(layer.bias, -bound, bound)
                case "kaiming":
                    nn.init.kaiming_normal_(layer.weight)
                    nn.init.zeros_(layer.bias)
