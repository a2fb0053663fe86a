"""The LeNet of APD, for CIFAR-100 and Omniglot.

Source: Yoon et al. 2020 (APD, arXiv:1902.09432), layer sizes and normalisation as in the authors'
code.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cl_bench.config.schema import Section
from cl_bench.errors import UsageError
from cl_bench.network.images import channels_height_width, with_channels
from cl_bench.network.uninitialised import uninitialised

NEIGHBOURS, ALPHA = 4, 0.001 / 9  # channels on either side, weight of a square
TRUNCATED_STD = 0.87962566103423978  # of a standard normal that is cut off at ±2


class LeNet(nn.Module):
    """Two 5x5 convolutions, each with ReLU, response normalisation and pooling, then linear layers.

    ``convolutions`` and ``hidden`` are widths; [20, 50] and [800, 500] on 32x32 images flatten to
    3,200 features as in the paper. Pooling is 3x3 with stride 2, the last window reaching one
    pixel over the border. The response normalisation divides by (1 + α Σ x²)^¾ with α = 0.001/9
    over 9 neighbouring channels. Weights have variance 1 / fan_in, biases 1 / their number, both
    from a normal distribution cut off at two standard deviations (TensorFlow's variance scaling).
    """

    class Settings(Section):
        convolutions: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, max_length=8)
        hidden: list[Annotated[int, Field(ge=1)]] = Field(max_length=64)

    def __init__(
        self,
        settings: Settings,
        input_shape: tuple[int, ...],
        classes: int,
    ) -> None:
        super().__init__()
        channels, height, width = channels_height_width(input_shape, "lenet")
        unit = 2 ** len(settings.convolutions)
        if height % unit or width % unit:
            raise UsageError(
                f"model=lenet: needs images whose sides are multiples of {unit}, this dataset's "
                f"are {height}x{width}; choose model=small_cnn or mlp"
            )
        widths = [channels, *settings.convolutions]
        self.convolutions = nn.ModuleList(
            uninitialised(nn.Conv2d, widths[i], widths[i + 1], 5, padding=2)
            for i in range(len(widths) - 1)
        )
        features = widths[-1] * (height // unit) * (width // unit)
        widths = [features, *settings.hidden, classes]
        self.layers = nn.ModuleList(
            uninitialised(nn.Linear, widths[i], widths[i + 1]) for i in range(len(widths) - 1)
        )
        for layer in (*self.convolutions, *self.layers):
            for parameter, fan_in in (
                (layer.weight, layer.weight[0].numel()),
                (layer.bias, layer.bias.numel()),
            ):
                std = fan_in**-0.5 / TRUNCATED_STD
                nn.init.trunc_normal_(parameter, std=std, a=-2 * std, b=2 * std)

    def forward(self, x: Tensor) -> Tensor:
        x = with_channels(x)
        for layer in self.convolutions:
            x = F.max_pool2d(normalised(layer(x).relu()), 3, stride=2, ceil_mode=True)
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


def normalised(x: Tensor) -> Tensor:
    """x / (1 + α Σ x²)^¾ for x (n, C, H, W), the sum over the 9 neighbouring channels.

    The sum is a product with a band matrix and the power two roots, which takes a fifth of the
    time of ``nn.LocalResponseNorm``.
    """
    channel = torch.arange(x.shape[1], device=x.device)
    near = (channel[:, None] - channel).abs() <= NEIGHBOURS
    squares = F.conv2d(x * x, (near.to(x.dtype) * ALPHA)[:, :, None, None])
    root = (squares + 1).rsqrt()
    return x * root * root.sqrt()
