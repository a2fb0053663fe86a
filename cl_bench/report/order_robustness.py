"""How much a task's final accuracy depends on the order of the tasks, over the seeds of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cl_bench import metrics
from cl_bench.metrics.orders import disparity
from cl_bench.report.collect import RecordedRun
from cl_bench.report.grouping import ORDER_KEYS, Group, split


@dataclass
class OrderRobustness:
    """``opd`` is by task identity, the tasks' names in ``accuracy.csv``."""

    settings: dict[str, str]
    orders: int
    opd: dict[str, float]
    metrics: dict[str, float]  # those of kind "order"


def robustness(groups: Sequence[Group], keys: Sequence[str]) -> list[OrderRobustness]:
    """One entry for all ``groups`` that differ in nothing but the order of their tasks.

    ``keys`` are the settings that vary. With several seeds the accuracy of an order is their mean,
    over the seeds that every order has, so that seeds do not pass for an effect of the order.
    """
    runs = [run for member in groups for run in member.runs]
    found = []
    for member in split(runs, [key for key in keys if key not in ORDER_KEYS]):
        orders = split(member.runs, ORDER_KEYS)
        seeds = set.intersection(*({run.seed for run in order.runs} for order in orders))
        if len(orders) < 2 or not seeds:
            continue
        finals = [_final(order.runs, seeds) for order in orders]
        if opd := disparity(finals):
            values = {metric.key: metric.of(finals) for metric in metrics.of_kind("order")}
            found.append(OrderRobustness(member.settings, len(orders), opd, values))
    return found


def _final(runs: Sequence[RecordedRun], seeds: set[int]) -> dict[str, float]:
    """Task -> final accuracy, the mean over ``seeds``."""
    chosen = [run for run in runs if run.seed in seeds]
    common = set.intersection(*(set(run.names) for run in chosen))
    finals = [dict(zip(run.names, run.matrix[-1], strict=True)) for run in chosen]
    return {
        task: float(np.mean([final[task] for final in finals]))
        for task in sorted(common, key=chosen[0].names.index)
    }
