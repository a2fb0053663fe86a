"""The basic block of residual networks.

Source: He et al. 2016 (arXiv:1512.03385), section 3.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.network.uninitialised import uninitialised


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a shortcut, 1x1 where the shape changes.

    The zeros around what a stride of 2 meets are on all sides; with ``pad_after`` even sides have
    them at their ends alone, as TensorFlow's padding "same".
    """

    def __init__(self, inputs: int, outputs: int, stride: int, pad_after: bool = False) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, outputs, 3, stride)
        self.pad_after = pad_after and stride == 2
        if self.pad_after:
            self.conv1.padding = (0, 0)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = convolution(outputs, outputs, 3, 1)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padded = F.pad(x, (width % 2, 1, height % 2, 1)) if self.pad_after else x
        inner = self.norm2(self.conv2(self.norm1(self.conv1(padded)).relu()))
        return (inner + self.shortcut(x)).relu()


def convolution(inputs: int, outputs: int, size: int, stride: int) -> nn.Conv2d:
    """No bias; weights uniform in ±1/√fan_in, PyTorch's default."""
    layer = uninitialised(
        nn.Conv2d, inputs, outputs, size, stride=stride, padding=size // 2, bias=False
    )
    bound = (inputs * size * size) ** -0.5
    nn.init.uniform_(layer.weight, -bound, bound)
    return layer
