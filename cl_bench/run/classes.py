"""The class behind a choice: what each group's are derived from."""

from __future__ import annotations

from typing import Any

from torch import nn

from cl_bench.config import registry
from cl_bench.memory.base import Memory
from cl_bench.methods.base import Method
from cl_bench.streams.base import Stream
from cl_bench.trackers.base import Tracker

BASES: dict[str, type] = {
    "method": Method, "memory": Memory, "model": nn.Module, "stream": Stream, "tracker": Tracker,
}  # fmt: skip


def class_of(group: str, name: str) -> Any:
    """The class that the file ``name`` of the group's room defines."""
    return registry.find(group, name, BASES[group])
