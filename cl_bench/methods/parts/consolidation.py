"""What the task parameters of APD have in common, found layer by layer and kept once.

Source: Yoon et al. 2020 (APD, arXiv:1902.09432), hierarchical knowledge consolidation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cl_bench.files.stateful import Stateful


@dataclass
class Shared(Stateful):
    """σ̃: values (K, P) of every group, and the group (n, L) of every row in every layer.

    The group -1 is none: that row shares nothing in that layer. ``centroids`` (K, P) are where
    the next clustering starts from. ``layers`` are the L slices of P that are shared in.
    """

    kept = ("values", "groups", "centroids")

    layers: list[slice]
    values: Tensor
    groups: Tensor
    centroids: Tensor

    @classmethod
    def none(cls, layers: list[slice], size: int, device: torch.device) -> Shared:
        empty = torch.zeros(0, size, device=device)
        return cls(layers, empty, torch.zeros(0, len(layers), dtype=torch.int64), empty)

    def add_row(self) -> None:
        """One more row, which shares nothing."""
        self.groups = torch.cat([self.groups, torch.full((1, len(self.layers)), -1)])

    def drop_row(self, row: int) -> None:
        """Forget a row; what no other row shares any more becomes zero.

        A centroid is the row itself where that is alone in its group: the next clustering starts
        from random rows instead.
        """
        self.groups = torch.cat([self.groups[:row], self.groups[row + 1 :]])
        for layer, part in enumerate(self.layers):
            unused = sorted(set(range(len(self.values))) - set(self.groups[:, layer].tolist()))
            self.values[unused, part] = 0.0
        self.centroids = self.centroids[:0]

    def of(self, row: int) -> Tensor:
        """σ̃ (P,) of one row."""
        local = torch.zeros(self.values.shape[1], device=self.values.device)
        for layer, part in enumerate(self.layers):
            if (group := int(self.groups[row, layer])) >= 0:
                local[part] = self.values[group, part]
        return local


def consolidate(
    rows: Tensor,
    before: Shared,
    clusters: int,
    gap: float,
    shared_value: str,
    generator: torch.Generator,
) -> tuple[Tensor, Shared]:
    """What every one of the rows τ̃ (n, P) keeps for itself, (n, P), and what groups share.

    In every layer K-means puts the rows into ``clusters`` groups, starting from the centroids of
    ``before`` and random rows for the groups that are new. Where all members of a group lie within
    ``gap`` of one another, the group's value takes their place: their mid-range (``midrange``, the
    authors' code) or their mean (``centroid``). A row that is alone in its group keeps everything.
    """
    n, size = rows.shape
    clusters = min(clusters, n)
    own = rows.clone()
    values, centroids = rows.new_zeros(2, clusters, size)
    groups = torch.full((n, len(before.layers)), -1)
    for layer, part in enumerate(before.layers):
        start = rows[torch.randperm(n, generator=generator)[:clusters], part].clone()
        known = min(clusters, len(before.centroids))
        start[:known] = before.centroids[:known, part]
        labels, centroids[:, part] = _k_means(rows[:, part], start)
        for group in range(clusters):
            members = (labels == group).nonzero().flatten()
            if len(members) < 2:
                continue
            groups[members, layer] = group
            held = rows[members, part]
            low, high = held.amin(0), held.amax(0)
            close = high - low <= gap
            middle = (low + high) / 2 if shared_value == "midrange" else held.mean(0)
            values[group, part] = torch.where(close, middle, 0.0)
            own[members, part] = torch.where(close, 0.0, held)
    return own, Shared(before.layers, values, groups, centroids)


def _k_means(rows: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Group (n,) of every row and centroids (K, d), by Lloyd's algorithm from ``start`` (K, d)."""
    from sklearn.cluster import KMeans  # slow to import and seldom needed
    from threadpoolctl import threadpool_limits

    fitted = KMeans(len(start), init=start.cpu().numpy(), n_init=1, max_iter=100, random_state=0)
    with threadpool_limits(1):  # its sums depend on the number of threads
        fitted.fit(rows.cpu().numpy())
    centroids = torch.from_numpy(fitted.cluster_centers_).to(rows)
    return torch.from_numpy(fitted.labels_).long(), centroids
