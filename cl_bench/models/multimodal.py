"""Fully connected ReLU network with several input layers, of which a task uses one."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from cl_bench.config.schema import Section
from cl_bench.network.uninitialised import uninitialised


class MultimodalMLP(nn.Module):
    """Layers of widths D, ``hidden``..., C; the first exists ``inputs`` times, the rest once.

    ``active`` is the input layer in use. The shared layers come first in the parameter vector,
    then the input layers in order. ``init: authors`` is what the GEM authors' multimodal network is
    left with: weights uniform in ±1/√fan_in, biases 0. ``torch`` draws the biases from the same
    range too, as PyTorch does; ``xavier`` is the init of ``model=mlp``.
    """

    only_for: ClassVar[str] = "multimodal"  # the method

    class Settings(Section):
        hidden: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, max_length=64)
        inputs: int = Field(ge=1)
        init: Literal["authors", "torch", "xavier"]

    def __init__(
        self,
        settings: Settings,
        input_shape: tuple[int, ...],
        classes: int,
    ) -> None:
        super().__init__()
        widths = [*settings.hidden, classes]
        self.shared = nn.ModuleList(
            uninitialised(nn.Linear, fan_in, fan_out) for fan_in, fan_out in pairwise(widths)
        )
        self.inputs = nn.ModuleList(
            uninitialised(nn.Linear, math.prod(input_shape), widths[0])
            for _ in range(settings.inputs)
        )
        self.active = 0
        for layer in (*self.shared, *self.inputs):
            bound = 1 / math.sqrt(layer.in_features)
            if settings.init == "xavier":
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.uniform_(layer.weight, -bound, bound)
            if settings.init == "torch":
                nn.init.uniform_(layer.bias, -bound, bound)
            else:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inputs[self.active](x.flatten(1))
        for layer in self.shared:
            x = layer(x.relu())
        return x
