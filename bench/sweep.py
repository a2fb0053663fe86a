"""A sweep of short runs, one after the other and with joblib on all cores: how much is saved?"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = (
    "-m", "method=single,gem", "dataset=digits_permutations", "dataset.tasks=5", "memory.size=200",
    "plots=false", "device.threads=1", "-q",
)  # fmt: skip


def seconds(runs: int, *more: str) -> float:
    """Seconds of the whole command for a sweep of so many runs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cl_bench", *RUNS, f"seed=range({runs // 2})", *more]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        taken = time.perf_counter() - began
    if done.returncode or len(set(done.stdout.split())) != runs:
        sys.exit(done.stderr)
    return taken


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="an even number of runs")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time with joblib")
    options = parser.parse_args(arguments)
    alone = seconds(options.runs)
    print(f"sweep of {options.runs} short runs: {alone:.1f} s one after the other", flush=True)
    many = seconds(options.runs, "hydra/launcher=joblib", f"hydra.launcher.n_jobs={options.jobs}")
    print(f"  {many:.1f} s with joblib, {options.jobs} at a time: ratio {many / alone:.2f}")


if __name__ == "__main__":
    main()
