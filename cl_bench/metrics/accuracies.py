"""Metrics of the accuracy matrix R (T+1, T), as :class:`cl_bench.metrics.base.Measured` has it.

Where tasks return, a task was learned first in its first stay (LA, FWT), and later tasks act on it
from its last stay on (BWT).
"""

from __future__ import annotations

import numpy as np

from cl_bench.metrics.base import Measured, metric


@metric("ACC", "mean accuracy after the last task", better=1, shown=True)
def acc(run: Measured) -> float:
    """Mean of the last row (Lopez-Paz & Ranzato 2017, eq. 2; "retained accuracy" in MER)."""
    return run.matrix[-1].mean()


@metric("ACC (task)", "ACC if the outputs of each task alone counted", better=1,
        needs=("acc_task",))  # fmt: skip
def acc_task(run: Measured) -> float:
    """ACC of the same network with the outputs masked to those of each sample's task: what Buzzega
    et al. 2020 (arXiv:2004.07211) report as Task-IL beside Class-IL. It was measured at the end of
    a run in the scenario ``class``."""
    return run.acc_task


@metric("BWT", "backward transfer: change since a task was learned", better=1, shown=True)
def bwt(run: Measured) -> float | None:
    """Mean over the first T-1 tasks of R[T, j] - R[j+1, j] (Lopez-Paz & Ranzato 2017, eq. 3)."""
    return _over(_backward(run), _tasks(run) - 1)


@metric("FWT", "forward transfer: before learning, over untrained", better=1, shown=True)
def fwt(run: Measured) -> float | None:
    """Mean over the last T-1 tasks of R[j, j] - R[0, j] (Lopez-Paz & Ranzato 2017, eq. 4)."""
    return _over(_forward(run), _tasks(run) - 1)


@metric("LA", "learning accuracy: right after learning each task", better=1, shown=True)
def la(run: Measured) -> float:
    """Mean of R[j+1, j] over all tasks (Riemer et al. 2019)."""
    return _at(run, run.first).mean()


@metric("forgetting", "mean drop from each task's best", better=-1, shown=True)
def forgetting(run: Measured) -> float | None:
    """Mean of the drops of the first T-1 tasks (Chaudhry et al. 2018, eq. 3 and 4)."""
    return _drops(run).mean() if _tasks(run) > 1 else None


@metric("worst forgetting", "largest drop of a task from its best", better=-1)
def worst_forgetting(run: Measured) -> float | None:
    """Largest of the drops of the first T-1 tasks (Chaudhry et al. 2019, A-GEM, section 4)."""
    return _drops(run).max() if _tasks(run) > 1 else None


@metric("AIA", "average incremental accuracy, over the tasks seen", better=1)
def aia(run: Measured) -> float:
    """Mean over t of the mean over the first t tasks of R[t, j] (Rebuffi et al. 2017)."""
    seen = [sorted(set(run.learned[:stay])) for stay in range(1, len(run.matrix))]
    rows = zip(run.matrix[1:], seen, strict=True)
    return float(np.mean([row[tasks].mean() for row, tasks in rows]))


@metric("relearning", "gain on a task by learning it again", better=1, needs=("returns",))
def relearning(run: Measured) -> float:
    """Mean over the stays i in a task j that had been learned before of R[i, j] - R[i-1, j]."""
    return float(np.mean([np.diff(run.matrix[row - 1 : row + 1, j])[0] for row, j in run.returns]))


@metric("intransigence", "what a joint run has more on the last task", better=-1,
        needs=("reference",))  # fmt: skip
def intransigence(run: Measured) -> float:
    """a*_T - R[T, T-1] (Chaudhry et al. 2018, eq. 5, for k = T): what the method cannot learn.

    It needs a reference: a*_T is the accuracy on the last task of a network that has learned all
    T tasks together. A report takes it from the finished run of ``method=joint`` with the same
    seed, stream and model, if there is one among its runs; a run alone does not have it.
    """
    return run.reference[-1, -1] - run.matrix[-1, -1]


@metric("BWT (sum / T)", "as GEM's code has it: over T instead of T-1", better=1)
def bwt_authors_code(run: Measured) -> float | None:
    """(T-1)/T of the paper's formula, 0.95 at T = 20: as GEM's released code prints it."""
    return _over(_backward(run), _tasks(run))


@metric("FWT (sum / T)", "as GEM's code has it: over T instead of T-1", better=1)
def fwt_authors_code(run: Measured) -> float | None:
    """(T-1)/T of the paper's formula: as GEM's released code prints it."""
    return _over(_forward(run), _tasks(run))


def _tasks(run: Measured) -> int:
    return run.matrix.shape[1]


def _past(run: Measured) -> list[int]:
    """All tasks but the one that was learned last."""
    return [task for task in range(_tasks(run)) if task != run.learned[-1]]


def _at(run: Measured, rows: np.ndarray) -> np.ndarray:
    """R[rows[j], j] of every task j, (T,)."""
    return run.matrix[rows, np.arange(_tasks(run))]


def _backward(run: Measured) -> np.ndarray:
    return (run.matrix[-1] - _at(run, run.last))[_past(run)]


def _forward(run: Measured) -> np.ndarray:
    return (_at(run, run.first - 1) - run.matrix[0])[1:]


def _drops(run: Measured) -> np.ndarray:
    """Best accuracy before the last stay minus the final one, of all tasks but the last one's.

    Rows before the task's first stay count where it was tested then (``evaluate=all``).
    """
    rows = run.matrix[1:-1]
    ahead = np.arange(1, len(rows) + 1)[:, None] < run.first
    known = np.where(ahead & np.isnan(rows), -np.inf, rows)
    return (known.max(axis=0) - run.matrix[-1])[_past(run)]


def _over(terms: np.ndarray, count: int) -> float | None:
    return terms.sum() / count if len(terms) else None
