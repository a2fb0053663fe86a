"""A critical-difference diagram: rows by their mean rank, bars over those not told apart.

Source: Demšar 2006 (JMLR 7), figure 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cl_bench.drawing.style import COLUMN, INK, SOFT

LINE = 0.17  # inches of a name's line


def rank_figure(
    new: type,
    names: Sequence[str],
    ranks: Sequence[float],
    critical: float,
    alike: Sequence[tuple[int, int]],
) -> Any:
    """``names`` by their ``ranks``, the best first; ``alike`` are first and last positions of rows
    whose ranks differ by less than ``critical``."""
    half = -(-len(names) // 2)
    bars = max(1, len(alike))
    figure = new(figsize=(COLUMN, 0.75 + 0.1 * bars + LINE * half), layout="constrained")
    axes = figure.subplots()
    low, high = 1, len(names)
    margin = 0.75 * (high - low)  # where the names stand
    below = 0.5 + 0.35 * bars
    axes.set(xlim=(low - margin, high + margin), ylim=(below + 0.6 * half + 0.2, -2.2))
    axes.axis("off")
    axes.plot([low, high], [0, 0], color=INK, linewidth=0.8)
    for rank in range(low, high + 1):
        axes.plot([rank, rank], [0, -0.25], color=INK, linewidth=0.8)
        axes.text(rank, -0.35, str(rank), ha="center", va="bottom", fontsize=7)
    axes.plot([low, low + min(critical, high - low)], [-1.5, -1.5], color=INK, linewidth=1.6)
    axes.text(low, -1.65, f"critical difference {critical:.2f}", va="bottom", fontsize=7)
    for place, (first, last) in enumerate(alike):
        y = 0.3 + 0.35 * place
        axes.plot([ranks[first] - 0.03, ranks[last] + 0.03], [y, y], color=INK, linewidth=2.4)
    for place, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        left = place < half
        y = below + 0.6 * (place if left else len(names) - 1 - place)
        end = low - 0.05 * margin if left else high + 0.05 * margin
        axes.plot([rank, rank, end], [0, y, y], color=SOFT, linewidth=0.8, zorder=0)
        axes.text(
            end, y, f"{name} ({rank:.2f})", ha="right" if left else "left", va="center", fontsize=7
        )
    return figure
