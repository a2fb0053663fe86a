"""No memory."""

from __future__ import annotations

from cl_bench.config.schema import Section
from cl_bench.memory.base import Memory


class NoMemory(Memory):
    """Stands for the absence of a memory; a run without one gets ``None`` instead."""

    abilities = frozenset()

    class Settings(Section):
        size: int
