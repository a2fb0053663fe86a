import io

import numpy as np
import pytest
from rich.console import Console

from cl_bench.results.progress import remaining
from cl_bench.results.tables import heat_table


def rendered(tasks, width):
    matrix = np.random.default_rng(0).random((tasks + 1, tasks))
    out = io.StringIO()
    Console(file=out, width=width).print(heat_table(range(1, tasks + 1), matrix, width))
    return matrix, out.getvalue()


@pytest.mark.parametrize("tasks", [1, 3, 20])
def test_all_cells_are_shown_where_they_fit(tasks):
    matrix, text = rendered(tasks, 100)
    rows = [line.split() for line in text.splitlines()[1:]]
    shown = [[int(cell) for cell in row[-tasks:]] for row in rows if row]
    assert shown == np.round(100 * matrix).astype(int).tolist()


def test_many_tasks_are_thinned_and_told():
    _, text = rendered(100, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "tasks are left out here" in text
    assert "100" in text.splitlines()[0]


def test_remaining_time_follows_a_straight_line():
    assert remaining([], 4) is None
    assert remaining([2.0], 4) == pytest.approx(6)
    assert remaining([1.0, 2.0, 3.0], 5) == pytest.approx(9)
    assert remaining([3.0, 2.0, 1.0], 6) == pytest.approx(0)
