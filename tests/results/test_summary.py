import io

import numpy as np
import pytest
from conftest import DIGITS
from rich.console import Console
from synthetic_runs import write_run

from cl_bench.errors import RunError
from cl_bench.results.forgotten import Forgotten
from cl_bench.results.summary import heat_table, read_shown


def rendered(tasks, width):
    matrix = np.random.default_rng(0).random((tasks + 1, tasks))
    out = io.StringIO()
    Console(file=out, width=width).print(
        heat_table(range(1, tasks + 1), matrix, width, range(tasks))
    )
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


def test_a_finished_run_is_shown_or_its_damage_told(inline, tmp_path):
    command = (DIGITS, "dataset.tasks=2", "dataset.samples_per_task=60", "method=single",
               "plots=false", "device=cpu")  # fmt: skip
    code, out, error = inline(*command)
    told = (tmp_path / out.splitlines()[-1] / "summary.md").read_text()
    assert "Scenario domain: the task is known in training and in tests.\n" in told
    assert code == 0, error
    run = tmp_path / out.splitlines()[-1]
    (run / "config.yaml").write_text("recipe: [")
    code, again, error = inline(*command)
    assert code == 1  # whose results they are is not known
    assert "does not say what its results are of (config.yaml: " in error
    command = (*command, "stale=keep")
    code, again, _ = inline(*command)
    assert (code, again) == (0, out)
    for name, content in (("metrics.json", "[]"), ("accuracy.csv", "a\n2\n2\n")):
        (run / name).write_text(content)
        code, _, error = inline(*command)
        assert code == 1
        assert name in error.splitlines()[-1]
        assert error.endswith("; run it again with force=true\n")


def test_what_completes_a_broken_off_forgetting_is_told(tmp_path):
    run = write_run(tmp_path)
    Forgotten(3, {}, ()).plus(1, "permutation 1").write(run)
    assert read_shown(run)[3].told() == "task 1 (permutation 1)"  # nothing was changed yet
    (run / "metrics.json").write_text('{"acc": 0.65}')
    with pytest.raises(RunError, match=r"forget .* task=1 completes it"):
        read_shown(run)


def test_a_row_per_stay_where_tasks_return(inline, tmp_path):
    pytest.importorskip("matplotlib")
    command = (DIGITS, "dataset.tasks=3", "dataset.order=[0,1,0,2]", "method=single", "device=cpu",
               "dataset.samples_per_task=60")  # fmt: skip
    code, out, error = inline(*command)
    assert code == 0, error
    rows = [line.split() for line in out.splitlines() if line.lstrip().startswith("task ")]
    assert [row[1] for row in rows] == [*"1213"]
    assert "gain on a task by learning it again" in out
    run = tmp_path / out.splitlines()[-1]
    told = (run / "summary.md").read_text()
    assert told.count("\n| permutation 1 |") == 2
    assert "relearning" in told
    assert (run / "accuracy.png").read_bytes()[:4] == b"\x89PNG"
    code, out, error = inline(
        "report", "outputs", "--metrics", "acc", "relearning", "--format", "csv"
    )
    assert code == 0, error
    assert "relearning" in out
    lines = (run / "timings.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["task", "0", "1", "2", "1", "3"]
    (run / "timings.csv").write_text("\n".join(lines[:-1]) + "\n")
    code, _, error = inline(*command)
    assert code == 1
    assert "timings.csv: does not say which of 3 tasks each of 5 rows is of" in error
