import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_prints_rows_for_every_method_and_says_why_one_is_left_out():
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "bench" / "step_time.py"),
            "single",
            "icarl",
            "dataset=digits_permutations",
            "dataset.tasks=5",
            "dataset.samples_per_task=80",
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        check=True,
    )
    _, *single, icarl = done.stdout.splitlines()
    rows = [line.split() for line in single]
    assert [row[:2] for row in rows] == [["single", p] for p in ("step", "begin", "end", "tests")]
    assert all(len(row) == 6 for row in rows)  # at tasks 1, 2, 5 and the growth
    assert all(float(value) >= 0 for row in rows for value in row[2:])
    assert all(float(value) > 0 for value in rows[0][2:] + rows[3][2:])
    assert icarl.startswith("icarl")
    assert "split by class" in icarl
