"""Where choices come from: the package itself, folders of one's own, installed plugins.

All have one layout: ``methods/``, ``models/``, ``memory/``, ``streams/``, ``datasets/``,
``metrics/`` and ``trackers/`` with a module for each choice, ``conf/<group>/`` with its YAML. A
folder is included by whoever starts the process, and by nothing that a run reads.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from cl_bench.errors import UsageError

ROOMS = {
    "method": "methods",
    "memory": "memory",
    "model": "models",
    "stream": "streams",
    "dataset": "datasets",
    "tracker": "trackers",
    "metric": "metrics",
}
PACKAGE = Path(__file__).parents[1]
VARIABLE = "CL_BENCH_INCLUDE"  # folders, with os.pathsep between them
ENTRY_POINTS = "cl_bench.plugins"
ROOT = "cl_bench_included"  # what modules of folders are imported below


@dataclass(frozen=True)
class Origin:
    """``name`` is what it is called in lists and records, ``package`` what its modules are imported
    from, ``folder`` where they are, ``conf`` where the YAML is."""

    name: str
    package: str
    folder: Path
    conf: Path

    def file(self, group: str, name: str) -> Path | None:
        """The module that defines the choice, if it is here; a name is never a path."""
        path = self.folder / ROOMS[group] / f"{name}.py"
        return path if name.isidentifier() and path.is_file() else None

    def names(self, group: str) -> list[str]:
        """The modules of the group's room, by name; those with an underscore first are none."""
        found = sorted(path.stem for path in (self.folder / ROOMS[group]).glob("*.py"))
        return [name for name in found if name != "base" and not name.startswith("_")]

    def module(self, group: str, name: str) -> ModuleType:
        """The module of the choice; a :class:`UsageError` with file and line if it is another's
        code and cannot be imported."""
        dotted = f"{self.package}.{ROOMS[group]}.{name}"
        if self.folder == PACKAGE:
            return importlib.import_module(dotted)
        try:
            with _nothing_compiled_kept():
                self._make_importable()
                return importlib.import_module(dotted)
        except UsageError:
            raise
        except (Exception, SystemExit) as error:
            path = self.file(group, name)
            raise UsageError(f"{group}={name}: {told(error, path)}") from error

    def _make_importable(self) -> None:
        """Its own package, below one that nothing else is in: it hides no installed package."""
        root, _, _ = self.package.partition(".")
        importlib.invalidate_caches()  # a file may be new
        if root != ROOT or self.package in sys.modules:
            return
        sys.modules.setdefault(ROOT, ModuleType(ROOT)).__path__ = []
        start = self.folder / "__init__.py"
        spec = importlib.util.spec_from_file_location(
            self.package,
            start if start.is_file() else None,
            loader=None if start.is_file() else _Nothing(),
            submodule_search_locations=[str(self.folder)],
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.package] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[self.package]
            raise

    def sha256(self) -> str:
        """Of its source files, tests left out."""
        digest = hashlib.sha256()
        for path in self._sources():
            digest.update(f"{path.relative_to(self.folder)}\n".encode() + path.read_bytes())
        return digest.hexdigest()

    def _sources(self) -> list[Path]:
        found = []
        for place, folders, files in os.walk(self.folder):
            folders[:] = [
                name
                for name in folders
                if not name.startswith((".", "__pycache__"))
                and not (Path(place, name) / "pyvenv.cfg").exists()
                and (Path(place) != self.folder or name != "tests")
            ]
            found += [Path(place, name) for name in files if name.endswith(".py")]
        return sorted(found)


@contextmanager
def _nothing_compiled_kept() -> Iterator[None]:
    """No ``__pycache__`` in a user's folder: it takes a file that was changed within a second, and
    is as long as before, for the one that it has."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


class _Nothing(importlib.abc.Loader):
    """Loads a folder without ``__init__.py``."""

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        pass


_included: tuple[Origin, ...] | None = None


@cache
def package() -> Origin:
    """The choices that cl-bench brings: its YAML is inside an installed package, beside it in a
    checkout."""
    inside = PACKAGE / "conf"
    return Origin(
        "cl_bench", "cl_bench", PACKAGE, inside if inside.is_dir() else PACKAGE.parent / "conf"
    )


def known() -> tuple[Origin, ...]:
    """All origins, the package first."""
    if _included is None:
        include(())
    return (package(), *_included)


def included() -> tuple[str, ...]:
    """The folders that :func:`include` was given or found in the environment, absolute."""
    return tuple(str(o.folder) for o in known()[1:] if o.package.partition(".")[0] == ROOT)


def include(folders: Sequence[str | os.PathLike[str]] | str | os.PathLike[str]) -> None:
    """From now on choices are also those of ``folders``, of the folders that ``CL_BENCH_INCLUDE``
    names and of installed plugins; what was included before is no more.

    Nothing is imported yet, and what was is imported anew. A :class:`UsageError` for what holds no
    choices, and for a choice that has a name which is taken.
    """
    global _included
    several = [folders] if isinstance(folders, str | os.PathLike) else folders
    named = [(f"--include {word}", str(word)) for word in several]
    words = os.environ.get(VARIABLE, "").split(os.pathsep)
    named += [(f"{VARIABLE}={word}", word) for word in words if word]
    found = {origin.folder: origin for origin in (_folder(*each) for each in named)}
    for origin in _plugins():
        found.setdefault(origin.folder, origin)
    _check_names((package(), *found.values()))
    for name in [name for name in sys.modules if name.startswith(f"{ROOT}.")]:
        del sys.modules[name]  # a file may have been changed
    _included = tuple(found.values())


def _folder(asked: str, word: str) -> Origin:
    try:
        folder = Path(word).expanduser().resolve()
    except RuntimeError:
        raise UsageError(f"{asked}: there is no such home directory") from None
    if not folder.is_dir():
        raise UsageError(f"{asked}: is no directory; name one that holds {_layout()}")
    if not any((folder / name).is_dir() for name in (*ROOMS.values(), "conf")):
        raise UsageError(f"{asked}: holds none of {_layout()}; cl-bench new writes such files")
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:8]  # two folders may share a name
    module = re.sub(r"\W", "_", folder.name)
    return Origin(folder.name, f"{ROOT}.{module}_{mark}", folder, folder / "conf")


def _layout() -> str:
    return ", ".join(f"{room}/" for room in ROOMS.values()) + " and conf/"


def _plugins() -> Iterator[Origin]:
    """What installed packages offer: each entry point names a package of the same layout."""
    # what importlib.metadata would read too, without the time that it takes to import
    files = (path for place in sys.path for path in Path(place).glob("*-info/entry_points.txt"))
    if not any(ENTRY_POINTS in path.read_text(errors="replace") for path in files):
        return
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        who = f"the installed plugin {point.name} ({point.value})"
        try:
            spec = importlib.util.find_spec(point.module)
        except (Exception, SystemExit) as error:
            raise UsageError(f"{who} cannot be used: {told(error, None)}") from error
        if spec is None:
            raise UsageError(f"{who} is not there; install its package anew or remove it")
        name, places = point.module, spec.submodule_search_locations
        if places is None:  # a module: its package is meant
            name, places = name.rpartition(".")[0], [str(Path(spec.origin or "").parent)]
        folder = Path(next(iter(places))).resolve()
        if not name or not folder.is_dir():
            raise UsageError(f"{who} names no package; it must name one that holds {_layout()}")
        yield Origin(point.name, name, folder, folder / "conf")


def _check_names(origins: Sequence[Origin]) -> None:
    """A :class:`UsageError` if one name stands for two things."""
    if len(origins) == 1:
        return
    taken: dict[str, Path] = {}
    for origin in origins:
        files = [path for room in ROOMS.values() for path in (origin.folder / room).glob("*.py")]
        relative = {path: str(path.relative_to(origin.folder)) for path in files}
        relative |= {
            path: f"conf/{path.relative_to(origin.conf)}"
            for path in origin.conf.glob("*/**/*.yaml")
        }
        for path, name in relative.items():
            if path.stem == "__init__":
                continue
            if (other := taken.setdefault(name, path)) != path:
                raise UsageError(f"{shown(path)}: {shown(other)} has this name; choose another")


def told(error: BaseException, path: Path | None) -> str:
    """Where in another's code an error arose, and what it says; ``path`` if it does not tell."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(Path(error.filename))}, line {error.lineno}: {error.msg}"
    where = place(error)
    kind = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
    return f"{where or shown(path)}: {kind}" if where or path else kind


def place(error: BaseException) -> str:
    """File and line of the last frame in another's code; empty if there is none."""
    import traceback

    folders = [origin.folder for origin in (_included or ())]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(Path(frame.filename).is_relative_to(folder) for folder in folders):
            return f"{shown(Path(frame.filename))}, line {frame.lineno}"
    return ""


def shown(path: Path) -> str:
    """The path from where the user stands, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
