"""How much memory there is for what a run allocates as it begins; what to say if too little.

Linux promises memory that it does not have and kills the process later that makes use of it. So
within a limit of what is free an allocation that cannot be kept fails at once.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cl_bench.config.schema import RunConfig
from cl_bench.errors import RunError

# what PyTorch and NumPy say of a size for which there is no memory, or no number
NO_ROOM = re.compile(
    r"allocate|not enough memory|out of memory|overflow|invalid (?:size|shape)|too (?:large|big)",
    re.IGNORECASE,
)
LARGE = 1000  # from here on a size is worth naming


def free_bytes() -> int | None:
    """Memory that this process may still take; None where the system does not tell."""
    found = []
    with suppress(OSError, ValueError, IndexError):
        facts = Path("/proc/meminfo").read_text()
        found.append(1024 * int(re.search(r"MemAvailable:\s*(\d+)", facts)[1]))
    with suppress(OSError, ValueError):  # a container's share; "max" is no number
        most, taken = (Path("/sys/fs/cgroup", f"memory.{n}") for n in ("max", "current"))
        found.append(int(most.read_text()) - int(taken.read_text()))
    return max(0, min(found)) if found else None


@contextmanager
def no_more_than_there_is(cfg: RunConfig, on_cpu: bool) -> Iterator[None]:
    """Within the block what takes more memory than is free is a :class:`RunError`.

    A GPU reserves addresses as it likes: with one the block has no limit.
    """
    free = free_bytes() if on_cpu else None
    old = resource.getrlimit(resource.RLIMIT_AS)
    try:
        if free is not None:
            most = _address_space() + free
            kept = old[0] if old[0] != resource.RLIM_INFINITY else most
            resource.setrlimit(resource.RLIMIT_AS, (min(most, kept), old[1]))
        yield
    except Exception as error:
        if not is_lack_of_memory(error):
            raise
        raise lack_of_memory(cfg, free) from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an exception says that sizes are too large, in the words of whatever library."""
    return isinstance(error, MemoryError | OverflowError) or (
        isinstance(error, RuntimeError | TypeError | ValueError)
        and NO_ROOM.search(str(error)) is not None
    )


def lack_of_memory(cfg: RunConfig, free: int | None = None) -> RunError:
    """The sentence, with the sizes that the run was asked for, the largest first."""
    sizes = {
        f"{group}.{key}": value
        for group in ("memory", "model", "method", "dataset")
        for key, value in getattr(cfg, group).items()
        if _size(value) >= LARGE and "seed" not in key
    }
    ordered = sorted(sizes, key=lambda key: -_size(sizes[key]))
    named = ", ".join(f"{key}={sizes[key]}" for key in ordered) or "the run"
    there = "" if free is None else f" ({free / 2**30:.1f} GiB free)"
    return RunError(f"{named}: takes more memory than there is here{there}; choose smaller sizes")


def _size(value: object) -> int:
    numbers = value if isinstance(value, list) else [value]
    return max((n for n in numbers if type(n) is int), default=0)
