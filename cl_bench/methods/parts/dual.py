"""GEM's dual problem: a quadratic program with one variable per past task."""

from __future__ import annotations

import numpy as np
import quadprog


def solve_dual(
    gram: np.ndarray, inner: np.ndarray, lower: float, eps: float
) -> tuple[np.ndarray, bool]:
    """argmin_v ½ vᵀ(GGᵀ + eps·I)v + (Gg)ᵀv subject to v ≥ lower (GEM, eq. 11, negated rows).

    ``gram`` is GGᵀ (K, K), ``inner`` is Gg (K,); both are taken to float64. Returns v (K,) and
    whether quadprog solved it; where it cannot, coordinate descent does. Raises
    ``FloatingPointError`` if an input is not finite.
    """
    gram, inner = gram.astype(np.float64), inner.astype(np.float64)
    if not (np.isfinite(gram).all() and np.isfinite(inner).all()):
        raise FloatingPointError("gradients are not finite")
    matrix = (gram + gram.T) / 2 + eps * np.eye(len(inner))
    try:
        v = quadprog.solve_qp(matrix, -inner, np.eye(len(inner)), np.full(len(inner), lower))[0]
    except ValueError:
        return coordinate_descent(matrix, inner, lower), False
    return v, True


def coordinate_descent(
    matrix: np.ndarray, inner: np.ndarray, lower: float, sweeps: int = 1000
) -> np.ndarray:
    """The same minimum for any positive semi-definite matrix, one exact coordinate at a time.

    v_i ← max(lower, v_i - (matrix·v + inner)_i / matrix_ii) never raises the objective, whatever
    the conditioning; a coordinate without curvature stays at the bound.
    """
    v = np.full(len(inner), float(lower))
    for _ in range(sweeps):
        largest = 0.0
        for i in np.flatnonzero(np.diag(matrix) > 0):
            new = max(lower, v[i] - (matrix[i] @ v + inner[i]) / matrix[i, i])
            largest, v[i] = max(largest, abs(new - v[i])), new
        if largest <= 1e-12 * (1 + np.abs(v).max()):
            break
    return v
