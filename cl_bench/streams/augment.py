"""Pictures as a network sees them while it learns: cropped and mirrored at random, whole batches at
a time on the device.

Source: Buzzega et al. 2020 (DER, arXiv:2004.07211), their protocol for CIFAR-10: a border of 4
zeros, a crop of the picture's own size, a horizontal flip in half of the cases.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BORDER = 4  # pixels on each side


@dataclass(frozen=True)
class CropFlip:
    """What happens to n samples: ``shift`` int64 (n, 2) is the crop's upper left corner in the
    picture with its border, ``flip`` bool (n,) whether it is mirrored."""

    shift: Tensor
    flip: Tensor

    @classmethod
    def drawn(cls, count: int, generator: torch.Generator) -> CropFlip:
        shift = torch.randint(2 * BORDER + 1, (count, 2), generator=generator)
        return cls(shift, torch.rand(count, generator=generator) < 0.5)

    def __call__(self, x: Tensor, start: int) -> Tensor:
        """Samples ``start``, ``start`` + 1, ... of the n, float (b, ..., H, W), changed."""
        height, width = x.shape[-2:]
        part = slice(start, start + len(x))
        shift, flip = self.shift[part].to(x.device), self.flip[part].to(x.device)
        rows = shift[:, :1] + torch.arange(height, device=x.device)
        columns = torch.arange(width, device=x.device).expand(len(x), -1)
        columns = shift[:, 1:] + torch.where(flip[:, None], columns.flip(1), columns)
        padded = F.pad(x, (BORDER,) * 4)
        grey = padded.reshape(len(x), -1, *padded.shape[-2:])
        sample = torch.arange(len(x), device=x.device)[:, None, None]
        # (b, H, W, C): the index in the middle goes last
        found = grey[sample, :, rows[:, :, None], columns[:, None, :]]
        return found.permute(0, 3, 1, 2).reshape(x.shape).contiguous()
