"""How much a task's final accuracy depends on the order of the tasks.

Source: Yoon et al. 2020 (APD, arXiv:1902.09432), section 4: the Order-normalized Performance
Disparity of task t is OPD_t = max_r P_t^r - min_r P_t^r over the orders r, where P_t^r is the
accuracy on task t after the last task; MOPD and AOPD are its maximum and mean over the tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cl_bench.report.collect import RecordedRun
from cl_bench.report.grouping import ORDER_KEYS, Group, split


@dataclass
class OrderRobustness:
    """``opd`` is by task identity, the tasks' names in ``accuracy.csv``."""

    settings: dict[str, str]
    orders: int
    opd: dict[str, float]

    @property
    def aopd(self) -> float:
        return float(np.mean(list(self.opd.values())))

    @property
    def mopd(self) -> float:
        return max(self.opd.values())


def disparity(finals: Sequence[dict[str, float]]) -> dict[str, float]:
    """OPD of every task that all orders have; ``finals`` are task -> final accuracy, per order."""
    common = [task for task in finals[0] if all(task in final for final in finals)]
    return {task: max(f[task] for f in finals) - min(f[task] for f in finals) for task in common}


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
        opd = disparity([_final(order.runs, seeds) for order in orders])
        if opd:
            found.append(OrderRobustness(member.settings, len(orders), opd))
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
