"""Numbers from the accuracy matrix.

The matrix R has T+1 rows and T columns: ``R[0, j]`` is the accuracy of the untrained network on
task j, ``R[i, j]`` the accuracy on task j after learning i tasks. The papers' R_{i,j} and b̄_j are
``R[i, j-1]`` and ``R[0, j-1]``.
"""

from __future__ import annotations

import math

import numpy as np


def summarize(matrix: np.ndarray) -> dict[str, float | None]:
    """All scalar metrics of a (T+1, T) accuracy matrix; None where one is undefined (T = 1).

    - ``acc``: mean of the last row (Lopez-Paz & Ranzato 2017, eq. 2; "retained accuracy" in MER).
    - ``bwt``: mean over the first T-1 tasks of R[T, j] - R[j+1, j] (eq. 3).
    - ``fwt``: mean over the last T-1 tasks of R[j, j] - R[0, j] (eq. 4).
    - ``la``: mean of the diagonal, the accuracy right after learning (MER's learning accuracy).
    - ``forgetting``: mean over the first T-1 tasks of the best accuracy before the last task minus
      the final one (Chaudhry et al. 2018).
    - ``bwt_authors_code``, ``fwt_authors_code``: as GEM's released code prints them, the same sums
      divided by T, that is (T-1)/T of the paper's formula (0.95 at T = 20).
    """
    rows, tasks = matrix.shape
    if rows != tasks + 1:
        raise ValueError(f"expected a (T+1, T) accuracy matrix, got {matrix.shape}")
    final, learned = matrix[-1], np.diagonal(matrix[1:])
    values = {"acc": final.mean(), "la": learned.mean()}
    if tasks > 1:
        before = np.diagonal(matrix[:-1])  # R[j, j]: just before task j is learned
        backward = (final - learned)[:-1].sum()
        forward = (before - matrix[0])[1:].sum()
        values["bwt"] = backward / (tasks - 1)
        values["fwt"] = forward / (tasks - 1)
        values["forgetting"] = (matrix[1:-1].max(axis=0) - final)[:-1].mean()
        values["bwt_authors_code"] = backward / tasks
        values["fwt_authors_code"] = forward / tasks
    names = ("acc", "bwt", "fwt", "la", "forgetting", "bwt_authors_code", "fwt_authors_code")
    return {name: _number(values.get(name)) for name in names}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
