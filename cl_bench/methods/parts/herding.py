"""Herding: the few samples of a class whose mean is nearest to that of all.

Source: Rebuffi et al. 2017 (arXiv:1611.07725), algorithm 4.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def herd(
    features: Tensor,
    m: int,
    mean: Tensor | None = None,
    total_of: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Positions (min(m, n),) of the samples to keep of one class, the most representative first.

    Pick k is the sample, not picked before, that brings the mean of the first k picks closest to
    the mean of all ``features`` (n, d). ``mean`` (d,) takes the place of that
    mean, ``total_of(picks)`` (d,) that of the sum of the picks' features.
    """
    n = len(features)
    mean = features.mean(0) if mean is None else mean
    total = torch.zeros_like(features[0])
    taken = torch.zeros(n, dtype=torch.bool, device=features.device)
    picks = torch.zeros(min(m, n), dtype=torch.int64, device=features.device)
    for k in range(len(picks)):
        distance = (mean - (total + features) / (k + 1)).norm(dim=1)
        best = distance.masked_fill(taken, torch.inf).argmin()
        picks[k], taken[best] = best, True
        if total_of is None:
            total = total + features[best]
        elif k + 1 < len(picks):
            total = total_of(picks[: k + 1])
    return picks
