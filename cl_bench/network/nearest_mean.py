"""Classes from an embedding: the nearest class mean on the unit sphere, without weights per class.

Sources: Mensink et al. 2013 (TPAMI 35:11), whose softmax over distances to class means is learned;
Guerriero et al. 2018 (DeepNCM, ICLR workshop) for means that run along with a network ("decay");
Yu et al. 2020 (arXiv:2004.00440) for embeddings in continual learning, L2-normalised, where EWC and
MAS hold them and a past class keeps its mean.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NearestMean(nn.Module):
    """Logits ``scale`` · cos(f(x), μ_c) of f = ``embedding`` with ``size`` outputs.

    μ_c are buffers (C, ``size``). A batch that is about to be learned moves those of its classes,
    μ_c ← ``decay``·μ_c + (1 - ``decay``)·(mean of f(x)/‖f(x)‖), and no others: where the embedding
    of a past class drifts, its mean stays behind. A class begins with the mean of its first
    samples; until then it is as far away as can be.
    """

    means: Tensor

    def __init__(
        self, embedding: nn.Module, classes: int, size: int, scale: float, decay: float
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.scale = scale
        self.decay = decay
        self.register_buffer("means", torch.zeros(classes, size))

    def forward(self, x: Tensor) -> Tensor:
        cosines = F.normalize(self.embedding(x)) @ F.normalize(self.means).t()
        return self.scale * torch.where(self.means.any(1), cosines, -1.0)

    @torch.no_grad()
    def move_means(self, outputs: Tensor, y: Tensor) -> None:
        """Embeddings ``outputs`` (b, size) of samples with the labels y (b,) enter the means."""
        member = F.one_hot(y, len(self.means)).t().to(outputs)  # (C, b)
        counts = member.sum(1, keepdim=True)
        found = member @ F.normalize(outputs) / counts.clamp(min=1)
        moved = torch.where(
            self.means.any(1, keepdim=True), self.means.lerp(found, 1 - self.decay), found
        )
        self.means.copy_(torch.where(counts > 0, moved, self.means))
