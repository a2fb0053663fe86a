"""The basic block of residual networks.

Source: He et al. 2016 (arXiv:1512.03385), section 3.
"""

from __future__ import annotations

from torch import Tensor, nn

from cl_bench.network.uninitialised import uninitialised


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a shortcut, 1x1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, outputs, 3, stride)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = convolution(outputs, outputs, 3, 1)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (inner + self.shortcut(x)).relu()


def convolution(inputs: int, outputs: int, size: int, stride: int) -> nn.Conv2d:
    """No bias; weights uniform in ±1/√fan_in, PyTorch's default."""
    layer = uninitialised(
        nn.Conv2d, inputs, outputs, size, stride=stride, padding=size // 2, bias=False
    )
    bound = (inputs * size * size) ** -0.5
    nn.init.uniform_(layer.weight, -bound, bound)
    return layer
