"""``cl-bench doctor``: whether this machine can run what one asks of it."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
import timeit
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import cl_bench
from cl_bench.errors import UsageError

# what makes the package better, and what launches or tracks runs
EXTRAS = {
    "plot": ("matplotlib",),
    "fast": ("numba",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
    "huggingface": ("datasets",),
    "optuna": ("optuna",),
}
LAUNCHERS = {
    "joblib": "hydra-joblib-launcher",
    "submitit": "hydra-submitit-launcher",
    "ray": "hydra-ray-launcher",
}
ROOM = 2**30  # bytes of free space below which a word of warning is due


class Finding(NamedTuple):
    """``level``: ok, info (an option that is not there), warning, or problem (exit code 1)."""

    level: str
    what: str
    detail: str


def examine(outputs: Path) -> list[Finding]:
    """All checks; none of them changes anything or uses the network."""
    checks: tuple[Callable[[], list[Finding]], ...] = (
        _versions,
        _devices,
        _data,
        lambda: _directories(outputs),
        _extras,
    )
    return [finding for check in checks for finding in check()]


def _versions() -> list[Finding]:
    wanted = sys.version_info >= (3, 11)
    found = [
        Finding("ok", "cl-bench", cl_bench.__version__),
        Finding(
            "ok" if wanted else "problem",
            "Python",
            platform.python_version() + ("" if wanted else "; 3.11 or later is needed"),
        ),
    ]
    needed = _needed()
    missing = [name for name in needed if _version(name) is None]
    there = ", ".join(f"{name} {_version(name)}" for name in needed if name not in missing)
    if needed:
        found.append(Finding("ok", "packages", there))
    else:
        words = "not known which, since cl-bench is not installed; pip install cl-bench"
        found.append(Finding("warning", "packages", words))
    if missing:
        names = ", ".join(missing)
        found.append(Finding("problem", "packages", f"missing: {names}; pip install cl-bench"))
    return found


def _needed() -> list[str]:
    """The packages that cl-bench cannot do without; none are known where it is not installed."""
    with suppress(metadata.PackageNotFoundError):
        wanted = metadata.requires("cl-bench") or []
        return [re.match(r"[\w.-]+", line)[0] for line in wanted if "extra ==" not in line]
    return []


def _devices() -> list[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = os.environ.get("OMP_NUM_THREADS")
    share = asked if asked and asked.isdecimal() and int(asked) else cores
    told = f" (OMP_NUM_THREADS={asked})" if asked else ""
    words = f"{cores} of {os.cpu_count()} cores; a run uses {share} threads{told}"
    found = [Finding("ok", "CPU", words)]
    try:
        import torch
    except ImportError as error:
        return [*found, Finding("problem", "PyTorch", f"cannot be imported: {error}")]
    except OSError as error:  # a broken shared library
        return [*found, Finding("problem", "PyTorch", f"cannot be loaded: {error}")]
    found += [Finding("ok", "PyTorch", torch.__version__), _bf16()]
    if not torch.cuda.is_available():
        why = "built for the CPU" if torch.version.cuda is None else "no usable GPU or driver"
        return [*found, Finding("info", "CUDA", f"not available ({why}); runs use the CPU")]
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        words = f"{torch.cuda.get_device_name(index)}, {free >> 20} of {total >> 20} MiB free"
        found.append(Finding("ok", f"cuda:{index}", words))
    return found


def _bf16() -> Finding:
    """What ``device.precision=bf16`` would do here: some processors have the instructions, and are
    slower by them."""
    import torch

    from cl_bench.run.build import multiplies_bf16

    if not multiplies_bf16(torch.device("cpu")):
        return Finding("info", "bf16", "the CPU has no instructions for it")
    ratio = _product_seconds(torch.bfloat16) / _product_seconds(torch.float32)
    words = f"a product takes the CPU {ratio:.1f} times as long as float32's"
    return Finding("ok" if ratio < 1 else "info", "bf16", words)


def _product_seconds(dtype: Any) -> float:
    """The least that a product of an MLP's first layer takes one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    a, b = torch.ones(256, 784, dtype=dtype), torch.ones(784, 100, dtype=dtype)
    try:
        return min(timeit.repeat(lambda: a @ b, number=1, repeat=20))
    finally:
        torch.set_num_threads(threads)


def _data() -> list[Finding]:
    from cl_bench import datasets
    from cl_bench.datasets import cache

    place = cache.cache_dir()
    found = [Finding("ok", "data cache", str(place))]
    for name in datasets.names():
        try:
            module = datasets.module_of(name)
        except UsageError as error:  # a user's own that is broken
            found.append(Finding("problem", f"data {name}", str(error)))
            continue
        files = getattr(module, "FILES", None)
        if files is None:  # nothing of it is fetched into the cache
            found.append(Finding("ok", f"data {name}", (module.__doc__ or "own").splitlines()[0]))
            continue
        there = all(_cached(place / name / file) for file in files)
        words = f"{place / name}" if there else "not here; fetched on first use"
        found.append(Finding("ok" if there else "info", f"data {name}", words))
    return found


def _cached(path: Path) -> bool:
    return path.is_file() or path.with_name(f"{path.name}.gz").is_file()


def _directories(outputs: Path) -> list[Finding]:
    from cl_bench.datasets import cache

    found = []
    for what, path in (("outputs", outputs), ("data cache", cache.cache_dir())):
        problem = _unwritable(path)
        if problem:
            found.append(Finding("problem", what, f"{path}: {problem}"))
            continue
        free = shutil.disk_usage(_existing(path)).free
        level = "ok" if free > ROOM else "warning"
        found.append(Finding(level, what, f"{path} is writable, {free >> 20} MiB free"))
    return found


def _unwritable(path: Path) -> str | None:
    """Why files cannot be made in ``path``, or where it would be made; None if they can."""
    place = _existing(path)
    if not place.is_dir():
        return f"{place} is not a directory"
    try:
        with tempfile.TemporaryFile(dir=place):
            return None
    except OSError as error:
        return f"not writable ({error.strerror})"


def _existing(path: Path) -> Path:
    path = path.expanduser().absolute()
    return next(p for p in (path, *path.parents) if p.exists())


def _extras() -> list[Finding]:
    found = []
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        words = f"not installed; pip install 'cl-bench[{extra}]'"
        there = ", ".join(f"{name} {_version(name) or ''}".strip() for name in modules)
        found.append(Finding("info" if missing else "ok", extra, words if missing else there))
    for launcher, package in LAUNCHERS.items():
        version = _version(package)
        words = (
            f"{package} {version}"
            if version
            else f"not installed; pip install 'cl-bench[{launcher}]'"
        )
        found.append(Finding("ok" if version else "info", f"launcher {launcher}", words))
    for command in ("sbatch", "git"):
        place = shutil.which(command)
        found.append(Finding("ok" if place else "info", command, place or "not found"))
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def main(arguments: list[str]) -> int:
    """Print all findings; 1 if one of them is a problem."""
    from rich.table import Table
    from rich.text import Text

    from cl_bench.results.terminal import output

    outputs = Path("outputs")
    for word in arguments:
        key, _, value = word.partition("=")
        if key != "outputs" or not value:
            raise UsageError(f"doctor {word}: the only option is outputs=DIR")
        outputs = Path(value)
    findings = examine(outputs)
    signs = {"ok": "✓", "info": "·", "warning": "!", "problem": "✗"}
    styles = {"ok": "green", "info": "dim", "warning": "yellow", "problem": "bold red"}
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for level, what, detail in findings:
        table.add_row(Text(signs[level], styles[level]), what, Text(detail))
    console = output(240)
    console.print(table)
    problems = sum(finding.level == "problem" for finding in findings)
    console.print(f"{problems} problems" if problems else "no problems")
    return 1 if problems else 0
