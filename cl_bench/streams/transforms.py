"""From rows of a split to inputs: batched, on the device, by index plans that are made once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.streams.split import Split
from cl_bench.streams.task import Transform

TURNED_AT_A_TIME = 1000  # images


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 grey levels in [0, 1]: divided by 255. Other data, float32, as it is.

    Grey levels get torch's default type, as parameters do: float32, unless a test asks for float64.
    """
    if pixels.dtype != torch.uint8:
        return pixels
    return pixels.to(torch.get_default_dtype()).div_(255)


class Plain(Transform):
    """The images as they are."""

    def __call__(self, split: Split, rows: slice | Tensor) -> Tensor:
        return to_unit(split.take(rows))

    def describe(self) -> bytes:
        return b"plain"

    def folded(self, weight: Tensor) -> Tensor:
        return weight


class Scrambled(Transform):
    """Colour images as the authors' code of APD (Yoon et al. 2020) reads CIFAR-100: the numbers of
    an image (C, H, W) are taken for one (H, W, C), so that colours and neighbours are mixed up."""

    def __call__(self, split: Split, rows: slice | Tensor) -> Tensor:
        images = split.take(rows)
        count, channels, height, width = images.shape
        mixed = images.reshape(count, height, width, channels).permute(0, 3, 1, 2)
        return to_unit(mixed.contiguous())

    def describe(self) -> bytes:
        return b"scrambled"


@dataclass(frozen=True)
class Gather(Transform):
    """Pixel i of the result is pixel ``plan[i]`` of the image; ``plan`` is int64 (D,).

    The index D stands for a pixel outside of the image, which is zero.
    """

    plan: Tensor

    def __call__(self, split: Split, rows: slice | Tensor) -> Tensor:
        images = split.take(rows)
        return to_unit(gather(F.pad(images.flatten(1), (0, 1)), self.plan)).view(images.shape)

    def describe(self) -> bytes:
        return self.plan.cpu().numpy().tobytes()

    def folded(self, weight: Tensor) -> Tensor:
        # a column for the pixel outside, which is zero whatever its weight
        wide = F.pad(torch.zeros_like(weight), (0, 1))
        return wide.index_add_(1, self.plan, weight)[:, :-1]


@dataclass(frozen=True)
class Blend(Transform):
    """Pixel i of the result is Σ_k weights[k, i] · pixel plans[k, i]; both are (K, D)."""

    plans: Tensor
    weights: Tensor

    def __call__(self, split: Split, rows: slice | Tensor) -> Tensor:
        images = split.take(rows)
        flat = images.flatten(1)
        blend = torch.zeros(flat.shape, device=flat.device)
        corner, part = torch.empty_like(flat), torch.empty_like(blend)
        weights = self.weights / 255 if flat.dtype == torch.uint8 else self.weights
        for plan, weight in zip(self.plans, weights, strict=True):
            torch.gather(flat, 1, plan.expand(len(flat), -1), out=corner)
            blend.add_(part.copy_(corner).mul_(weight))
        return blend.view(images.shape)

    def describe(self) -> bytes:
        return self.plans.cpu().numpy().tobytes() + self.weights.cpu().numpy().tobytes()

    def folded(self, weight: Tensor) -> Tensor:
        sums = torch.zeros_like(weight)
        for plan, share in zip(self.plans, self.weights, strict=True):
            sums.index_add_(1, plan, weight * share)
        return sums


def gather(flat: Tensor, plan: Tensor) -> Tensor:
    """(n, D): the pixels ``plan`` (D,) of the images (n, ...)."""
    # on the CPU several times as fast as indexing columns, which torch does one element at a time
    return flat.gather(1, plan.expand(len(flat), -1))


def nearest_rotation(shape: tuple[int, ...], degrees: float) -> Tensor:
    """The plan (D,) that turns images (H, W) or (C, H, W) counter-clockwise about their centre.

    Equal to Pillow's ``Image.rotate`` with its defaults, pixel for pixel: sampled in 16.16 fixed
    point, in which quarter turns of square images are exact.
    """
    return nearest_rotations(shape, [degrees])[0]


def nearest_rotations(shape: tuple[int, ...], degrees: Sequence[float]) -> Tensor:
    """The plans (n, D) of so many rotations."""
    height, width = shape[-2:]
    one = 1 << 16

    def fixed(values: Iterable[float]) -> Tensor:
        return torch.tensor([math.floor(value * one + 0.5) for value in values])[:, None, None]

    a, b, c, d, e, f = zip(
        *(_inverse_map(height, width, angle % 360) for angle in degrees), strict=True
    )
    x0 = fixed(c + (a + b) / 2 for a, b, c in zip(a, b, c, strict=True))
    y0 = fixed(f + (d + e) / 2 for d, e, f in zip(d, e, f, strict=True))
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    x = (x0 + fixed(a) * columns + fixed(b) * rows) >> 16
    y = (y0 + fixed(d) * columns + fixed(e) * rows) >> 16
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    plans = torch.where(inside, y * width + x, height * width)
    return _every_channel(plans.flatten(1), shape)


def turned(images: Tensor, degrees: Tensor) -> Tensor:
    """Square images (n, H, H) or (n, C, H, H), each turned counter-clockwise about its centre by
    its own angle (n,), with bilinear sampling and zero outside; their type stays."""
    found = torch.empty_like(images)
    for start in range(0, len(images), TURNED_AT_A_TIME):
        part = slice(start, start + TURNED_AT_A_TIME)
        angle = degrees[part].deg2rad().float()
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        rows = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)
        shown = images[part].unsqueeze(1) if images.dim() == 3 else images[part]
        grid = F.affine_grid(rows, list(shown.shape), align_corners=False)
        blend = F.grid_sample(shown.float(), grid, align_corners=False).view(images[part].shape)
        found[part] = blend if images.is_floating_point() else blend.round()
    return found


def bilinear_rotation(shape: tuple[int, ...], degrees: float) -> tuple[Tensor, Tensor]:
    """Plans and weights (4, D) of the same rotation with bilinear sampling, zero outside."""
    height, width = shape[-2:]
    a, b, c, d, e, f = _inverse_map(height, width, degrees % 360)
    rows = torch.arange(height, dtype=torch.float64)[:, None] + 0.5
    columns = torch.arange(width, dtype=torch.float64) + 0.5
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x - 0.5, y - 0.5
    left, top = x.floor(), y.floor()
    plans, weights = [], []
    for dy in (0, 1):
        for dx in (0, 1):
            # at the border the nearest pixel stands for the one outside
            column, row = (left + dx).clamp(0, width - 1), (top + dy).clamp(0, height - 1)
            weight = (1 - (x - left - dx).abs()) * (1 - (y - top - dy).abs()) * inside
            plans.append(_every_channel((row * width + column).long().flatten(), shape))
            weights.append(weight.float().flatten().repeat(math.prod(shape[:-2])))
    return torch.stack(plans), torch.stack(weights)


def _inverse_map(height: int, width: int, degrees: float) -> tuple[float, ...]:
    """(a, b, c, d, e, f): the result at (x, y) is the image at (ax + by + c, dx + ey + f)."""
    angle = -math.radians(degrees)
    # the rounding makes the cosine of a right angle zero
    cos, sin = round(math.cos(angle), 15), round(math.sin(angle), 15)
    x, y = width / 2, height / 2
    return cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y


def _every_channel(plan: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The plan (..., H·W) of one channel repeated for all; outside stays outside."""
    channels, pixels = math.prod(shape[:-2]), math.prod(shape[-2:])
    plan = plan[..., None, :]
    shifted = plan + pixels * torch.arange(channels)[:, None]
    return torch.where(plan == pixels, channels * pixels, shifted).flatten(-2)
