"""Find a choice of a group by its name: ``gem`` is the class in ``cl_bench/methods/gem.py``."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType

from cl_bench.errors import UsageError

ROOMS = {
    "method": "methods",
    "memory": "memory",
    "model": "models",
    "stream": "streams",
    "tracker": "trackers",
    "metric": "metrics",
}
RENAMED = {"turned_split": "quarter_turns"}  # names in the records of earlier versions


def find(group: str, name: str, base: type) -> type:
    """The subclass of ``base`` that the module ``name`` of the group's package defines.

    Only modules of this package are looked at: a name is never a path or an import string.
    """
    room, name = ROOMS[group], RENAMED.get(name, name)
    folder = Path(__file__).parents[1] / room
    if not name.isidentifier() or not (folder / f"{name}.py").is_file():
        raise UsageError(f"{group}={name}: there is no file cl_bench/{room}/{name}.py")
    module = importlib.import_module(f"cl_bench.{room}.{name}")
    found = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, base) and cls.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise UsageError(
            f"{group}={name}: cl_bench/{room}/{name}.py must define one {base.__name__} class, "
            f"it defines {len(found)}"
        )
    return found[0]


def modules(group: str) -> list[ModuleType]:
    """Every module of the group's room but its ``base``, by name."""
    room = ROOMS[group]
    names = sorted(path.stem for path in (Path(__file__).parents[1] / room).glob("*.py"))
    return [
        importlib.import_module(f"cl_bench.{room}.{name}")
        for name in names
        if name not in ("__init__", "base")
    ]
