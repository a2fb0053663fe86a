"""Shared by the benchmarks: composing a run, timing, the machine's own speed."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

# the checkout that this file belongs to, whatever else is installed
sys.path.insert(0, str(Path(__file__).parent.parent))


def compose(*overrides: str):
    """The checked config of a command line."""
    from cl_bench.config.compose import config_of

    return config_of(overrides)


def median_seconds(work: Callable[[], object], repeats: int = 9) -> float:
    """Median time of ``work`` after one call to warm up."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def gemm_rate(n: int = 2048) -> float:
    """float32 multiply-adds per second of one large matrix product on this machine."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    a, b = torch.randn(n, n), torch.randn(n, n)
    return n**3 / median_seconds(lambda: a @ b)
