"""One command by this checkout and by another, in turn: wall and CPU seconds, peak memory, ratios.

    python bench/against.py OTHER method=gem dataset=mnist_permutations
    python bench/against.py OTHER method=gem dataset=mnist_permutations --here device.precision=bf16
    python bench/against.py OTHER ... --repeat 5 --beside 2   # beside two busy processes

OTHER is a checkout of another version (``git worktree add ../before COMMIT``), or ``.`` for this
one, to compare two settings of it. Each run is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent.parent


def measured(checkout: Path, words: list[str]) -> dict[str, float]:
    """What one run took, and its ACC."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "cl_bench", *words, f"outputs={folder}", "quiet=true"]
        environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
        command = [sys.executable, "-P", *words]  # not the package that lies where this started
        before, began = _cpu(), time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        wall, cpu = time.perf_counter() - began, _cpu() - before
        if done.returncode:
            sys.exit(f"{checkout}: {done.stderr}")
        found = json.loads((Path(done.stdout.splitlines()[-1]) / "metrics.json").read_text())
    mebibytes = found["peak_rss_bytes"] / 2**20
    return {
        "wall s": wall, "CPU s": cpu, "train s": found["seconds_train"],
        "tests s": found["seconds_eval"], "peak MiB": mebibytes, "ACC": found["acc"],
    }  # fmt: skip


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Within the block so many other processes keep a core each busy."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, metavar="OTHER")
    parser.add_argument("words", nargs="+", metavar="KEY=VALUE")
    parser.add_argument("--here", nargs="+", default=[], help="for this checkout alone")
    parser.add_argument("--there", nargs="+", default=[], help="for the other one alone")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--beside", type=int, default=0, help="busy processes")
    options = parser.parse_args(arguments)
    here, there = [], []
    with busy(options.beside):
        for number in range(options.repeat):
            there.append(measured(options.other, [*options.words, *options.there]))
            here.append(measured(HERE, [*options.words, *options.here]))
            for name, run in (("there", there[-1]), ("here", here[-1])):
                told = "   ".join(f"{key} {value:.4g}" for key, value in run.items())
                print(f"{number + 1} {name:<6}{told}", flush=True)
    for key in here[0]:
        before, now = (statistics.median(run[key] for run in runs) for runs in (there, here))
        ratio = statistics.median(
            h[key] / t[key] for h, t in zip(here, there, strict=True) if t[key]
        )
        print(f"median {key:<9} there {before:9.4g}   here {now:9.4g}   here/there {ratio:.3f}")


if __name__ == "__main__":
    main()
