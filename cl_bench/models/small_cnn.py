"""A small convolutional network without normalisation.

Source: Gupta et al. 2020 (La-MAML, arXiv:2007.13904), its network for CIFAR-100.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from cl_bench.config.schema import Section
from cl_bench.network.images import channels_height_width, with_channels
from cl_bench.network.uninitialised import uninitialised


class SmallCNN(nn.Module):
    """3x3 convolutions of stride 2 with ReLU, then linear layers of the widths ``hidden``.

    Weights are normal with variance 2 / fan_in (Kaiming), biases zero.
    """

    class Settings(Section):
        convolutions: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, max_length=16)
        hidden: list[Annotated[int, Field(ge=1)]] = Field(max_length=64)

    def __init__(
        self,
        settings: Settings,
        input_shape: tuple[int, ...],
        classes: int,
    ) -> None:
        super().__init__()
        channels, height, width = channels_height_width(input_shape, "small_cnn")
        widths = [channels, *settings.convolutions]
        self.convolutions = nn.ModuleList(
            uninitialised(nn.Conv2d, widths[i], widths[i + 1], 3, stride=2, padding=1)
            for i in range(len(widths) - 1)
        )
        for _ in self.convolutions:
            height, width = -(-height // 2), -(-width // 2)
        widths = [widths[-1] * height * width, *settings.hidden, classes]
        self.layers = nn.ModuleList(
            uninitialised(nn.Linear, widths[i], widths[i + 1]) for i in range(len(widths) - 1)
        )
        for layer in (*self.convolutions, *self.layers):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = with_channels(x)
        for layer in self.convolutions:
            x = layer(x).relu()
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)
