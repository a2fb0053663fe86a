"""Find a choice of a group by its name: ``gem`` is the class in ``methods/gem.py`` of the package,
of a folder that was included, or an object that was registered under that name."""

from __future__ import annotations

import ast
import hashlib
import inspect
import typing
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cl_bench.config import origins
from cl_bench.config.origins import ROOMS, Origin, shown
from cl_bench.errors import UsageError

if TYPE_CHECKING:
    from cl_bench.config.schema import RunConfig, Section

RENAMED = {"turned_split": "quarter_turns"}  # names in the records of earlier versions

_objects: dict[tuple[str, str], Any] = {}


def register(group: str, name: str, made: Any) -> None:
    """Offer ``made`` as the choice ``name`` of the group, in this process and in what a launcher
    starts for it: a class, or for a dataset its function ``load``.

    It needs no file and no YAML; what its settings have no default for must be given a value.
    """
    if any(origin.file(group, name) for origin in origins.known()):
        raise UsageError(f"{group}={name}: is a choice already; give yours another name")
    _objects[group, name] = made


def registered() -> dict[tuple[str, str], Any]:
    """(group, name) -> what was registered."""
    return dict(_objects)


def registered_under(group: str) -> dict[str, Any]:
    """Name -> what was registered in the group."""
    return {name: made for (its, name), made in _objects.items() if its == group}


def find(group: str, name: str, base: type) -> Any:
    """The subclass of ``base`` that the module ``name`` of the group's room defines.

    Only the rooms of the known origins are looked at: a name is never a path or an import string.
    A class whose name begins with an underscore is a part of another.
    """
    if (group, name) in _objects:
        return _objects[group, name]
    module = load(group, name)
    found = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, base)
        and cls.__module__ == module.__name__
        and not cls.__name__.startswith("_")
    ]
    if len(found) == 1 and name != "base":
        return found[0]
    if place(group, name)[0] == origins.package() and len(found) < 2:
        raise _no_such(group, name)
    lines = sorted((inspect.getsourcelines(cls)[1], cls.__name__) for cls in found)
    file, line = shown(Path(module.__file__)), lines[1][0] if lines else 1
    if not lines:
        raise UsageError(f"{group}={name}: {file}, line {line}: defines no {base.__name__} class")
    names = ", ".join(each for _, each in lines)
    raise UsageError(
        f"{group}={name}: {file}, line {line}: must define one {base.__name__} class, it defines "
        f"{len(lines)} ({names}); begin the names of the others with _"
    )


def load(group: str, name: str) -> ModuleType:
    """The module of a choice."""
    origin, path = place(group, name)
    return origin.module(group, path.stem)


def place(group: str, name: str) -> tuple[Origin, Path]:
    """The origin of a choice and its file; a :class:`UsageError` if there is none."""
    name = RENAMED.get(name, name)
    for origin in origins.known():
        if path := origin.file(group, name):
            return origin, path
    raise _no_such(group, name)


def _no_such(group: str, name: str) -> UsageError:
    """For what is no choice, with those that are: modules with a class of the group's kind."""
    package, *included = origins.known()
    for origin in included:
        if name.isidentifier() and (path := origin.conf / group / f"{name}.yaml").is_file():
            file = shown(origin.folder / ROOMS[group] / f"{name}.py")
            return UsageError(
                f"{group}={name}: {shown(path)}, line 1: there is no file {file} for it; write it, "
                "or say in implementation what this is a variant of"
            )
    known = [
        name
        for name in package.names(group)
        if any(
            group.capitalize() in parents for parents in _parents(parsed(package.file(group, name)))
        )
    ]
    known += [name for origin in included for name in origin.names(group)]
    return UsageError(f"{group}={name}: is no choice; choose from {', '.join(known)}")


def _parents(tree: ast.Module) -> list[list[str]]:
    """Of every class of a module the last names of what it inherits from."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return [[ast.unparse(base).rpartition(".")[2] for base in cls.bases] for cls in classes]


def without_yaml(group: str, name: str) -> str:
    """The sentence for a module that cannot be chosen for want of YAML; empty if there is none."""
    if group not in ROOMS:
        return ""
    for origin in origins.known()[1:]:
        if path := origin.file(group, name):
            lines = [node.lineno for node in parsed(path).body if isinstance(node, ast.ClassDef)]
            return (
                f"{group}={name}: {shown(path)}, line {min(lines, default=1)}: has no YAML with "
                f"its settings; write {shown(origin.conf / group / f'{name}.yaml')}"
            )
    return ""


def modules(group: str) -> list[ModuleType]:
    """Every module of the group's rooms, by name, the package's first."""
    return [
        origin.module(group, name) for origin in origins.known() for name in origin.names(group)
    ]


def code(cfg: RunConfig) -> dict[str, str]:
    """Name -> sha256 of all code outside of the package that has a part in the run's result."""
    chosen = [
        *((group, _implementation(getattr(cfg, group))) for group in ("method", "memory", "model")),
        ("stream", str(cfg.dataset.get("stream"))),
        ("dataset", str(cfg.dataset.get("source"))),
    ]
    found: dict[str, str] = {}
    for group, name in chosen:
        if (group, name) in _objects:
            found[f"{group} {name}"] = _sha256(_objects[group, name])
            continue
        for origin in origins.known()[1:]:
            if origin.file(group, name):
                known = found.setdefault(origin.name, origin.sha256())
                if known != origin.sha256():  # two folders of one name
                    found[str(origin.folder)] = origin.sha256()
    return found


def _implementation(section: Mapping[str, Any]) -> str:
    return str(section.get("implementation") or section["name"])


def _sha256(made: Any) -> str:
    """Of an object's source, or where there is none of its name."""
    try:
        text = inspect.getsource(made)
    except (OSError, TypeError):
        text = f"{getattr(made, '__module__', '')}.{getattr(made, '__qualname__', type(made))}"
    return hashlib.sha256(text.encode()).hexdigest()


# -- what may be set of a class ------------------------------------------------------------------

# what the constructor of a module that has no ``Settings`` is told by the run, if it takes it
GIVEN = ("input_shape", "in_channels", "in_features", "classes", "num_classes")


@lru_cache(maxsize=100)
def settings_of(cls: Any) -> type[Section]:
    """The class's own ``Settings``; without them every argument of its constructor is an option, as
    far as YAML can say it."""
    from cl_bench.config.schema import Section

    if (own := getattr(cls, "Settings", None)) is not None:
        return own
    import pydantic

    taken = inspect.signature(cls).parameters
    try:
        types = typing.get_type_hints(cls.__init__)
    except Exception:  # a name that is known to type checkers alone
        types = {}
    fields: dict[str, Any] = {}
    for key, parameter in taken.items():
        if key in GIVEN or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        kind = types.get(key, Any)
        required = parameter.default is parameter.empty
        try:
            pydantic.TypeAdapter(kind)
        except Exception:  # a class of somebody's
            if not required:
                continue
            kind = Any
        fields[key] = (kind, ... if required else parameter.default)
    return pydantic.create_model(f"{cls.__name__}Settings", __base__=Section, **fields)


# -- what a class says of itself, read from its source -------------------------------------------


def declared(group: str, name: str, attribute: str, default: Any = None) -> Any:
    """What a choice's class, or one that it inherits from, says of ``attribute`` in its body.

    It is read from the source, where it must be written out: to import a method takes PyTorch,
    and more time than a listing may.
    """
    if (group, name) in _objects:
        return getattr(_objects[group, name], attribute, default)
    _, path = place(group, name)
    base = origins.PACKAGE / ROOMS[group] / "base.py"
    try:
        found = _declared(path, attribute, default)
        if found is None and base.is_file():  # it is inherited in a way that is not seen through
            found = _declared(base, attribute, None)
        return found
    except ValueError:
        raise UsageError(
            f"{group}={name}: {attribute} must be written out in {name}.py: words, a tuple or "
            "frozenset({...})"
        ) from None


def declared_metrics() -> dict[str, tuple[Origin, list[str]]]:
    """Key -> origin, heading and meaning of every metric, as they are written out: a decorated
    function, or a name that is given what a call makes of the three."""
    found = {}
    for origin in origins.known():
        for name in origin.names("metric"):
            for node in parsed(origin.folder / ROOMS["metric"] / f"{name}.py").body:
                if isinstance(node, ast.FunctionDef):
                    for call in node.decorator_list:
                        if words := _words(call, 2):
                            found[node.name] = origin, words
                elif isinstance(node, ast.Assign) and (words := _words(node.value, 3)):
                    found[words[0]] = origin, words[1:]
    return found


def _words(call: ast.expr, count: int) -> list[str]:
    """The first ``count`` arguments of a call, if they are text; nothing if they are not."""
    first = call.args[:count] if isinstance(call, ast.Call) else []
    values = [arg.value for arg in first if isinstance(arg, ast.Constant)]
    texts = [value for value in values if isinstance(value, str)]
    return texts if len(texts) == count else []


def _declared(path: Path, attribute: str, default: Any) -> Any:
    tree = parsed(path)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for statement in (statement for cls in classes for statement in cls.body):
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if [getattr(target, "id", None) for target in targets] == [attribute]:
            value = getattr(statement, "value", None)
            if value is not None:
                return _literal(value)
    inherited = {base.id for cls in classes for base in cls.bases if isinstance(base, ast.Name)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names = {alias.asname or alias.name for alias in node.names}
            parent = _imported_file(node, path) if inherited & names else None
            if parent is not None:
                found = _declared(parent, attribute, None)
                if found is not None:
                    return found
    return default


def _imported_file(node: ast.ImportFrom, path: Path) -> Path | None:
    """The file of an origin that ``from ... import`` in the file ``path`` reads, if it is one."""
    parts = (node.module or "").split(".")
    places: Iterator[Path]
    if node.level:
        places = iter([path.parents[node.level - 1].joinpath(*parts)])
    else:
        places = (
            origin.folder.joinpath(*parts[origin.package.count(".") + 1 :])
            for origin in origins.known()
            if (node.module or "").startswith(f"{origin.package}.")
        )
    files = (place.with_suffix(".py") for place in places)
    return next((file for file in files if file.is_file()), None)


def _literal(node: ast.expr) -> Any:
    """The value of the expression; a ``ValueError`` if it has to be computed."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "frozenset":
        return frozenset(*map(ast.literal_eval, node.args))
    return ast.literal_eval(node)


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file; a :class:`UsageError` with its line where it has none."""
    return _parsed(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1000)
def _parsed(path: Path, changed: int) -> ast.Module:
    try:
        return ast.parse(path.read_text())
    except SyntaxError as error:
        raise UsageError(f"{shown(path)}, line {error.lineno}: {error.msg}") from None
