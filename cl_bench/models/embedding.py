"""An MLP whose outputs are an embedding: a class that comes needs no new head."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cl_bench.models.mlp import MLP
from cl_bench.network.nearest_mean import NearestMean


class Embedding(NearestMean):
    """``model=mlp`` with ``size`` outputs, of which the nearest class mean makes classes."""

    embeds: ClassVar[bool] = True  # its parameters know of no classes

    class Settings(MLP.Settings):
        size: int = Field(ge=1)
        scale: float = Field(gt=0)
        decay: float = Field(ge=0, le=1)

    def __init__(self, settings: Settings, input_shape: tuple[int, ...], classes: int) -> None:
        body = MLP(settings, input_shape, settings.size)
        super().__init__(body, classes, settings.size, settings.scale, settings.decay)
