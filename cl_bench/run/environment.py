"""What a run's numbers and times may depend on besides its configuration."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cl_bench
from cl_bench.config import registry

if TYPE_CHECKING:
    from cl_bench.config.schema import RunConfig

PACKAGES = ("torch", "numpy", "quadprog", "hydra-core", "omegaconf", "pandas")


def surroundings(device: str, threads: int, cfg: RunConfig) -> dict[str, Any]:
    """Versions, machine, code state and threads, as plain JSON values.

    ``included`` is the code outside of the package that has a part in the run, by its origin.
    """
    included = registry.code(cfg)
    return {
        "cl_bench": cl_bench.__version__,
        "code": code_state(),
        "code_sha256": code_sha256(),
        **({"included": included} if included else {}),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "device": device,
        "threads": threads,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def code_state() -> dict[str, Any] | None:
    """Commit of the checkout that the package runs from and whether it was changed since."""
    root = Path(cl_bench.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = bool(_git(root, "status", "--porcelain", "--", "cl_bench", "conf"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": changed}


@cache
def code_sha256() -> str:
    """sha256 of the package's source files."""
    root = Path(cl_bench.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def peak_rss_bytes() -> int:
    """The largest resident set size of this process so far, in bytes.

    ``ru_maxrss`` is the last resort: on Linux a process inherits it from its parent through exec.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
