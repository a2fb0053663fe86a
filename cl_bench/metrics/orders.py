"""How much a task's final accuracy depends on the order of the tasks.

Source: Yoon et al. 2020 (APD, arXiv:1902.09432), section 4: the Order-normalized Performance
Disparity of task t is OPD_t = max_r P_t^r - min_r P_t^r over the orders r, where P_t^r is the
accuracy on task t after the last task; MOPD and AOPD are its maximum and mean over the tasks.
``finals`` are task -> final accuracy, per order.
"""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.metrics.base import metric

Finals = Sequence[dict[str, float]]


def disparity(finals: Finals) -> dict[str, float]:
    """OPD of every task that all orders have."""
    common = [task for task in finals[0] if all(task in final for final in finals)]
    return {task: max(f[task] for f in finals) - min(f[task] for f in finals) for task in common}


@metric("AOPD", "mean gap of a task between best and worst order", better=-1,
        kind="order", shown=True)  # fmt: skip
def aopd(finals: Finals) -> float | None:
    """Mean over the tasks of OPD."""
    found = disparity(finals)
    return sum(found.values()) / len(found) if found else None


@metric("MOPD", "largest gap of a task between best and worst order", better=-1,
        kind="order", shown=True)  # fmt: skip
def mopd(finals: Finals) -> float | None:
    """Largest OPD of a task."""
    return max(disparity(finals).values(), default=None)
