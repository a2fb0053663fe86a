import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_prints_a_row_per_method_and_says_why_one_is_left_out():
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
    _, single, icarl = done.stdout.splitlines()
    name, *times = single.split()
    assert name == "single"
    assert len(times) == 4  # at tasks 1, 2, 5 and the growth
    assert all(float(value) > 0 for value in times)
    assert icarl.startswith("icarl")
    assert "split by class" in icarl
