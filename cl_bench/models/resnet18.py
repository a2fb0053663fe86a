"""The reduced ResNet-18 of GEM, for CIFAR.

Source: Lopez-Paz & Ranzato 2017, section 4: "a smaller version of ResNet18 with three times less
feature maps across all layers".
"""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cl_bench.config.schema import Section
from cl_bench.errors import UsageError
from cl_bench.network.images import channels_height_width, with_channels
from cl_bench.network.residual import BasicBlock, convolution
from cl_bench.network.uninitialised import uninitialised

POOL = 4


class ResNet18(nn.Module):
    """3x3 convolution, four stages of two blocks of widths 1, 2, 4, 8 · ``width``, linear head.

    With ``width: 20``, 3 channels of 32x32 and 100 outputs it has 1,109,240 parameters. Weights,
    and the head's bias, are uniform in ±1/√fan_in (PyTorch's default, which the authors use).
    ``init: agem_authors`` draws those of a k x k convolution from ±1/√(k · channels), as the code
    of Chaudhry et al. 2019 (arXiv:1812.00420) does: √k as wide, so that under BatchNorm, where a
    weight's scale does not count, one step of a given learning rate turns it by a k-th. Its
    TensorFlow also pads strided convolutions otherwise (``padding: after``).
    """

    class Settings(Section):
        width: int = Field(ge=1, le=1024)
        # only recipes of a protocol that has them so name them
        init: Literal["torch", "agem_authors"] = Field(
            default="torch", description="agem_authors: convolutions √(kernel's side) as wide"
        )
        padding: Literal["all_sides", "after"] = Field(
            default="all_sides", description="after: as TensorFlow pads a stride of 2"
        )
        epsilon: float = Field(default=1e-5, gt=0, description="added to BatchNorm's variances")

        def narrowed(self, parts: int) -> dict[str, Any]:
            """The change that makes every stage 1/parts as wide, one feature map at least."""
            return {"width": max(1, self.width // parts)}

    def __init__(
        self,
        settings: Settings,
        input_shape: tuple[int, ...],
        classes: int,
    ) -> None:
        super().__init__()
        channels, height, width = channels_height_width(input_shape, "resnet18")
        if min(height, width) <= 8 * (POOL - 1):
            raise UsageError(
                f"model=resnet18: needs images of at least 25x25, this dataset's are "
                f"{height}x{width}; choose model=small_cnn or mlp"
            )
        nf = settings.width
        self.conv = convolution(channels, nf, 3, 1)
        self.norm = nn.BatchNorm2d(nf)
        blocks, inputs = [], nf
        for stage in range(4):
            outputs = nf << stage
            for stride in (1 if stage == 0 else 2, 1):
                blocks.append(BasicBlock(inputs, outputs, stride, settings.padding == "after"))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        # each of three stages halves the sides, rounded up
        pooled = (-(-height // 8) // POOL) * (-(-width // 8) // POOL)
        self.head = uninitialised(nn.Linear, inputs * pooled, classes)
        bound = (inputs * pooled) ** -0.5
        for parameter in (self.head.weight, self.head.bias):
            nn.init.uniform_(parameter, -bound, bound)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = settings.epsilon
            elif isinstance(layer, nn.Conv2d) and settings.init == "agem_authors":
                layer.weight.data.mul_(layer.kernel_size[0] ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(with_channels(x))).relu()
        return self.head(F.avg_pool2d(self.blocks(x), POOL).flatten(1))
