"""Metrics of the accuracy matrix R (T+1, T), as :class:`cl_bench.metrics.base.Measured` has it."""

from __future__ import annotations

import numpy as np

from cl_bench.metrics.base import Measured, metric


@metric("ACC", "mean accuracy after the last task", better=1, shown=True)
def acc(run: Measured) -> float:
    """Mean of the last row (Lopez-Paz & Ranzato 2017, eq. 2; "retained accuracy" in MER)."""
    return run.matrix[-1].mean()


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
    return _learned(run).mean()


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
    return float(np.mean([run.matrix[t, :t].mean() for t in range(1, _tasks(run) + 1)]))


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


def _learned(run: Measured) -> np.ndarray:
    """Accuracy on each task right after it was learned, (T,)."""
    return np.diagonal(run.matrix[1:])


def _backward(run: Measured) -> np.ndarray:
    return (run.matrix[-1] - _learned(run))[:-1]


def _forward(run: Measured) -> np.ndarray:
    before = np.diagonal(run.matrix[:-1])  # R[j, j]: just before task j is learned
    return (before - run.matrix[0])[1:]


def _drops(run: Measured) -> np.ndarray:
    """Best accuracy before the last task minus the final one, of the first T-1 tasks."""
    return (run.matrix[1:-1].max(axis=0) - run.matrix[-1])[:-1]


def _over(terms: np.ndarray, count: int) -> float | None:
    return terms.sum() / count if len(terms) else None
