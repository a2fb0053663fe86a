"""cl-bench: a config-driven benchmark runner for continual learning.

On the command line ``cl-bench``; in Python :func:`run`, :func:`sweep`, :func:`tune`,
:func:`load`, :func:`report` and :class:`Result`, which docs/python.md shows. To import the package
takes no time: what is named here is loaded when it is used.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

# what Python is offered -> the module that has it
_OFFERED = {
    "run": "cl_bench.api.runs",
    "sweep": "cl_bench.api.runs",
    "tune": "cl_bench.api.runs",
    "report": "cl_bench.api.tables",
    "load": "cl_bench.api.tables",
    "Result": "cl_bench.api.result",
    "include": "cl_bench.config.origins",
    "RunError": "cl_bench.errors",
    "UsageError": "cl_bench.errors",
    "Diverged": "cl_bench.errors",
}
_ROOMS = ("run", "sweep", "report")  # functions whose names are those of rooms too


def _offered(name: str) -> Any:
    return getattr(importlib.import_module(_OFFERED[name]), name)


class _Room(ModuleType):
    """A room that is the function of its name when it is called, and when it is asked what it is:
    ``cl_bench.run(...)`` must work whether or not something has imported ``cl_bench.run``."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._function()(*arguments, **options)

    def _function(self) -> Any:
        return _offered(self.__name__.rpartition(".")[2])

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._function())

    @property
    def __doc__(self) -> str:
        return self._function().__doc__


class _Package(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name in _ROOMS:
            return importlib.import_module(f"cl_bench.{name}")
        if name in _OFFERED:
            return _offered(name)
        raise AttributeError(f"module 'cl_bench' has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ROOMS and isinstance(value, ModuleType):  # it has just been imported
            value.__class__ = _Room
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_OFFERED})


sys.modules[__name__].__class__ = _Package
