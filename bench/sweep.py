"""A sweep of short runs, one after the other and with joblib on all cores: how much is saved?"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = (
    "-m", "method=single,gem", "dataset=digits_permutations", "memory.size=200",
    "dataset.epochs=2", "plots=false", "device.threads=1", "-q",
)  # fmt: skip


def seconds(runs: int, *more: str) -> tuple[float, float]:
    """Seconds of the whole command for a sweep of so many runs: by the clock, and of CPU time."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cl_bench", *RUNS, f"seed=range({runs // 2})", *more]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        before = cpu_seconds()
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        taken = time.perf_counter() - began
    if done.returncode or len(set(done.stdout.split())) != runs:
        sys.exit(done.stderr)
    return taken, cpu_seconds() - before


def cpu_seconds() -> float:
    """CPU time of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="an even number of runs")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time with joblib")
    parser.add_argument("--repeat", type=int, default=1, help="the median of this many ratios")
    options = parser.parse_args(arguments)
    ratios = []
    for _ in range(options.repeat):
        alone, alone_cpu = seconds(options.runs)
        print(
            f"sweep of {options.runs} short runs: {alone:.1f} s one after the other "
            f"({alone_cpu:.1f} s of CPU time)",
            flush=True,
        )
        jobs = f"hydra.launcher.n_jobs={options.jobs}"
        many, many_cpu = seconds(options.runs, "hydra/launcher=joblib", jobs)
        ratios.append(many / alone)
        cores = many_cpu / options.jobs / alone_cpu
        # on a machine that is busy otherwise the CPU time says what the cores were needed for
        print(
            f"  {many:.1f} s with joblib, {options.jobs} at a time ({many_cpu:.1f} s of CPU time): "
            f"ratio {ratios[-1]:.2f}; of CPU time per core {cores:.2f}",
            flush=True,
        )
    if options.repeat > 1:
        print(f"  median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
