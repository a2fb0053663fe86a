import numpy as np
import pytest

from cl_bench.methods.parts.dual import coordinate_descent, solve_dual

# a test vector worked out with an exact active-set solver
G = np.array([[-1, 0.5, 1], [0, -1, 1], [1, 1, 0]])
g = np.array([1.0, 2, -1])
EPS = 1e-3
CASES = {
    0.0: ([0.11776456, 1.46982395, 0], [0.88223544, 0.58905833, 0.58758851]),
    0.5: ([0.5, 1.62418791, 0.5], [1.0, 1.12581209, 1.12418791]),
}


@pytest.mark.parametrize("margin", CASES)
def test_numeric_vector(margin):
    v, solved = solve_dual(G @ G.T, G @ g, margin, EPS)
    expected, projected = CASES[margin]
    assert solved
    np.testing.assert_allclose(v, expected, atol=1e-7)
    np.testing.assert_allclose(g + G.T @ v, projected, atol=1e-7)


@pytest.mark.parametrize("lower", [0.0, 0.5])
def test_optimality_conditions(lower):
    draw = np.random.default_rng(3)
    for _ in range(20):
        rows, step = draw.normal(size=(6, 30)), draw.normal(size=30)
        v, _ = solve_dual(rows @ rows.T, rows @ step, lower, EPS)
        slope = (rows @ rows.T + EPS * np.eye(6)) @ v + rows @ step
        at_bound = v <= lower + 1e-9
        assert (v >= lower - 1e-9).all()
        assert (slope[at_bound] >= -1e-8).all()
        np.testing.assert_allclose(slope[~at_bound], 0, atol=1e-8)


def test_coordinate_descent_finds_the_same_minimum():
    draw = np.random.default_rng(4)
    rows, step = draw.normal(size=(8, 40)), draw.normal(size=40)
    matrix = rows @ rows.T + EPS * np.eye(8)
    v, _ = solve_dual(rows @ rows.T, rows @ step, 0.5, EPS)
    np.testing.assert_allclose(coordinate_descent(matrix, rows @ step, 0.5), v, atol=1e-8)


@pytest.mark.parametrize("rows", [np.zeros((3, 5)), np.tile(np.arange(5.0), (3, 1))])
def test_a_program_quadprog_refuses_is_solved_all_the_same(rows):
    step = -np.arange(5.0)
    v, solved = solve_dual(rows @ rows.T, rows @ step, 0.0, 0.0)
    assert not solved
    assert (rows @ (step + rows.T @ v) >= -1e-9).all()


def test_what_is_not_finite_is_told():
    with pytest.raises(FloatingPointError):
        solve_dual(np.full((1, 1), np.nan), np.ones(1), 0.5, EPS)
