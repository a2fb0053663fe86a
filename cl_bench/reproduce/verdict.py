"""Ours against theirs: mean and spread over seeds, difference, verdict by a stated tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cl_bench import metrics
from cl_bench.config.recipe import Named
from cl_bench.report.statistics import Difference, Spread, paired, spread
from cl_bench.run.progress import duration

INSIDE, OUTSIDE = "inside", "outside"
WIDE = 0.6  # of the published value: a tolerance beyond it lets nearly everything pass


@dataclass(frozen=True)
class Line:
    """One metric of one recipe; ``ours`` is of the runs that finished, None if none did.

    ``verdict``: inside | outside | indicator only (inside or outside) | another protocol | diverged
    | not run: how long it takes.
    """

    named: Named
    metric: str
    published: float | None
    tolerance: float | None
    ours: Spread | None
    diverged: int  # runs
    verdict: str = ""

    @property
    def difference(self) -> float | None:
        if self.ours is None or self.published is None:
            return None
        return self.ours.mean - self.published


def judge(named: Named, runs: Sequence[dict[str, Any]]) -> list[Line]:
    """A line for every published metric of the recipe; for accuracy alone if nothing is."""
    recipe = named.recipe
    diverged = sum(run["diverged"] for run in runs)
    lines = []
    for metric in recipe.published or {"acc": None}:
        published, tolerance = recipe.published.get(metric), recipe.tolerance(metric)
        found = values(runs, metric, recipe.orders)
        ours = spread(found) if found else None
        line = Line(named, metric, published, tolerance, ours, diverged)
        lines.append(replace(line, verdict=_verdict(line)))
    return lines


def _verdict(line: Line) -> str:
    recipe = line.named.recipe
    if line.ours is None:
        return "diverged" if line.diverged else f"not run: {duration(60 * recipe.minutes)} a run"
    if line.published is None:
        return "no published number"
    if recipe.differs:
        return "another protocol"
    # what is printed has three digits: a difference that shows as the tolerance is within it
    within = round(abs(line.difference), 3) <= line.tolerance
    verdict = INSIDE if within else OUTSIDE
    unsure = recipe.trust == "memory" or line.tolerance > WIDE * abs(line.published)
    return f"indicator only ({verdict})" if unsure else verdict


def values(runs: Sequence[dict[str, Any]], metric: str, orders: Sequence[str] = ()) -> list[float]:
    """The metric of every run that has it; of all orders together for one of these."""
    if metrics.find(metric).kind == "order":
        return _disparities(runs, metric, orders)
    found = [run["metrics"].get(metric) for run in runs]
    return [float(value) for value in found if value is not None]


def _disparities(runs: Sequence[dict[str, Any]], metric: str, orders: Sequence[str]) -> list[float]:
    """One value per seed that has all orders (Yoon et al. 2020): with fewer it would be smaller."""
    found = []
    for seed in sorted({run["seed"] for run in runs}):
        finals = {
            run["order"]: dict(zip(run["tasks"], run["final"], strict=True))
            for run in runs
            if run["seed"] == seed and not run["diverged"]
        }
        if orders and finals.keys() >= set(orders):
            found.append(metrics.find(metric).of([finals[order] for order in orders]))
    return found


def against(
    runs: Sequence[dict[str, Any]], base: Sequence[dict[str, Any]], metric: str = "acc"
) -> Difference | None:
    """The difference of two recipes in a metric, pair by pair over the seeds that both have."""
    ours = {run["seed"]: run["metrics"].get(metric) for run in runs}
    theirs = {run["seed"]: run["metrics"].get(metric) for run in base}
    common = sorted(
        seed
        for seed in ours.keys() & theirs.keys()
        if ours[seed] is not None and theirs[seed] is not None
    )
    if not common:
        return None
    return paired([ours[seed] for seed in common], [theirs[seed] for seed in common])
