"""Find a choice of a group by its name: ``gem`` is the class in ``cl_bench/methods/gem.py``."""

from __future__ import annotations

import ast
import importlib
import inspect
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from cl_bench.errors import UsageError

ROOMS = {
    "method": "methods",
    "memory": "memory",
    "model": "models",
    "stream": "streams",
    "tracker": "trackers",
    "metric": "metrics",
}
PACKAGE = Path(__file__).parents[1]
RENAMED = {"turned_split": "quarter_turns"}  # names in the records of earlier versions


def find(group: str, name: str, base: type) -> type:
    """The subclass of ``base`` that the module ``name`` of the group's package defines.

    Only modules of this package are looked at: a name is never a path or an import string.
    """
    room, name = ROOMS[group], _file(group, name).stem
    module = importlib.import_module(f"cl_bench.{room}.{name}")
    found = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, base) and cls.__module__ == module.__name__
    ]
    if name == "base" or not found:
        raise _no_such(group, name)
    if len(found) != 1:
        raise UsageError(
            f"{group}={name}: cl_bench/{room}/{name}.py must define one {base.__name__} class, "
            f"it defines {len(found)}"
        )
    return found[0]


def declared(group: str, name: str, attribute: str, default: Any = None) -> Any:
    """What a choice's class, or one that it inherits from, says of ``attribute`` in its body.

    It is read from the source, where it must be written out: to import a method takes PyTorch,
    and more time than a listing may.
    """
    try:
        return _declared(_file(group, name), attribute, default)
    except ValueError:
        raise UsageError(
            f"{group}={name}: {attribute} must be written out in {name}.py: words, a tuple or "
            "frozenset({...})"
        ) from None


def _declared(path: Path, attribute: str, default: Any) -> Any:
    tree = _parsed(path)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for statement in (statement for cls in classes for statement in cls.body):
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if [getattr(target, "id", None) for target in targets] == [attribute] and statement.value:
            return _literal(statement.value)
    inherited = {base.id for cls in classes for base in cls.bases if isinstance(base, ast.Name)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cl_bench."):
            names = {alias.asname or alias.name for alias in node.names}
            parent = PACKAGE.parent.joinpath(*node.module.split(".")).with_suffix(".py")
            if inherited & names and parent.is_file():
                found = _declared(parent, attribute, None)
                if found is not None:
                    return found
    return default


def _literal(node: ast.expr) -> Any:
    """The value of the expression; a ``ValueError`` if it has to be computed."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "frozenset":
        return frozenset(*map(ast.literal_eval, node.args))
    return ast.literal_eval(node)


@cache
def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text())
    except SyntaxError as error:
        raise UsageError(f"{path}: line {error.lineno}: {error.msg}") from None


def _file(group: str, name: str) -> Path:
    """The module of a choice; a name is never a path."""
    room, name = ROOMS[group], RENAMED.get(name, name)
    path = PACKAGE / room / f"{name}.py"
    if not name.isidentifier() or not path.is_file():
        raise _no_such(group, name)
    return path


def _no_such(group: str, name: str) -> UsageError:
    """For what is no choice, with those that are: modules with a class of the group's kind."""
    known = [
        path.stem
        for path in sorted((PACKAGE / ROOMS[group]).glob("*.py"))
        if any(group.capitalize() in parents for parents in _parents(_parsed(path)))
    ]
    return UsageError(f"{group}={name}: is no choice; choose from {', '.join(known)}")


def _parents(tree: ast.Module) -> list[list[str]]:
    """Of every class of a module the last names of what it inherits from."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return [[ast.unparse(base).rpartition(".")[2] for base in cls.bases] for cls in classes]


def modules(group: str) -> list[ModuleType]:
    """Every module of the group's room but its ``base``, by name."""
    room = ROOMS[group]
    names = sorted(path.stem for path in (PACKAGE / room).glob("*.py"))
    return [
        importlib.import_module(f"cl_bench.{room}.{name}")
        for name in names
        if name not in ("__init__", "base")
    ]
