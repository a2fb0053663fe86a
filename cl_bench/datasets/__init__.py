"""Raw datasets: fetched once, verified by content; pictures are kept as uint8."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pydantic

from cl_bench.config import origins, registry
from cl_bench.config.origins import shown
from cl_bench.config.schema import Settings, check, similar
from cl_bench.errors import UsageError

# datasets that share a module; any other is the module of its own name
SHARED = {"mnist": "idx", "fashion": "idx", "cifar10": "cifar", "cifar100": "cifar"}


@dataclass(frozen=True)
class Arrays:
    """One dataset: images (N, H, W), (N, C, H, W) or (N, D), labels int64 (N,), both splits; where
    the targets are numbers, labels are float32 (N, K) and ``classes`` is K.

    Images are uint8 (pictures, shown in [0, 1]) or float32 of any range, which are shown as they
    are. ``sha256`` is the checksum of the content, ``origin`` says where the files were found.
    ``class_names`` (classes,) are names of the classes, if the dataset has them.
    ``class_groups`` (classes,) is the group of every class, if the dataset has such groups
    (superclasses, alphabets); ``train_tasks`` and ``test_tasks`` (N,) are given task numbers,
    ``task_names`` what those tasks are called.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int
    sha256: str
    origin: str
    class_groups: np.ndarray | None = None
    group_names: tuple[str, ...] = ()
    train_tasks: np.ndarray | None = None
    test_tasks: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    task_names: tuple[str, ...] = ()


def load(name: str, path: str | None = None, read: dict[str, Any] | None = None) -> Arrays:
    """The dataset ``name``, fetched and verified if it is not in the cache yet.

    It comes from the function ``load`` of its module, which takes what it needs: the dataset's
    ``name``, the ``path`` of own data, and options of its own, each with a default, which ``read``
    sets. A :class:`UsageError` for a path or an option that it does not take.
    """
    make = module_of(name).load
    taken = inspect.signature(make).parameters
    values: dict[str, Any] = {"name": name} if "name" in taken else {}
    if "path" in taken:
        values["path"] = path
    elif path is not None:
        raise UsageError(
            f"dataset.path={path}: dataset.source={name} reads no path; set it to null"
        )
    types = typing.get_type_hints(make, include_extras=True)
    options: dict[str, Any] = {
        key: (types.get(key, Any), parameter.default)
        for key, parameter in taken.items()
        if key not in ("name", "path")
    }
    if read and not options:
        raise UsageError(f"dataset.read={read}: dataset.source={name} has no options; remove them")
    checked = check(
        read or {}, pydantic.create_model("Read", __base__=Settings, **options), "dataset.read"
    )
    found = make(**values, **checked.model_dump())
    if not isinstance(found, Arrays):
        raise UsageError(
            f"dataset.source={name}: load must return Arrays, it returned {type(found).__name__}"
        )
    return found


def load_of(section: dict[str, Any]) -> Arrays:
    """The dataset that a config's section ``dataset`` names."""
    return load(str(section.get("source")), section.get("path"), section.get("read"))


def pinned(name: object) -> bool:
    """Whether the code itself fixes the content of the dataset ``name``, by its ``SHA256``."""
    try:
        return hasattr(module_of(str(name)), "SHA256")
    except UsageError:
        return False


def names() -> list[str]:
    """Every dataset there is: what ``dataset.source`` may be."""
    package, *included = origins.known()
    here = [name for name in package.names("dataset") if _loads(name) is not None]
    others = [name for origin in included for name in origin.names("dataset")]
    given = registry.registered_under("dataset")
    return sorted({*SHARED, *here, *others, *given} - set(SHARED.values()))


def module_of(name: str) -> ModuleType | SimpleNamespace:
    """The module whose ``load`` gives ``name``; a :class:`UsageError` if there is none."""
    found = _loads(SHARED.get(name, name))
    if found is None and any(origin.file("dataset", name) for origin in origins.known()[1:]):
        file = registry.place("dataset", name)[1]
        raise UsageError(f"dataset.source={name}: {shown(file)}, line 1: defines no function load")
    if found is None or name in SHARED.values():
        known = names()
        hint = similar(name, known)
        raise UsageError(
            f"dataset.source={name}: no such dataset{hint} (choose from {', '.join(known)})"
        )
    return found


def _loads(name: str) -> ModuleType | SimpleNamespace | None:
    """The module ``name`` of this room, or of another origin's, if it has a function ``load``."""
    if (made := registry.registered_under("dataset").get(name)) is not None:
        return SimpleNamespace(load=made)
    if not any(origin.file("dataset", name) for origin in origins.known()):
        return None
    module = registry.load("dataset", name)
    return module if inspect.isfunction(getattr(module, "load", None)) else None
