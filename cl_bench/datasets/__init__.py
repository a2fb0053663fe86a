"""Raw datasets: fetched once, verified by content, kept as uint8."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import numpy as np

from cl_bench.errors import UsageError

# name -> module of this package whose ``load(name)`` returns the Arrays
SOURCES = {
    "mnist": "idx",
    "fashion": "idx",
    "digits": "digits",
    "cifar10": "cifar",
    "cifar100": "cifar",
    "omniglot": "omniglot",
}


@dataclass(frozen=True)
class Arrays:
    """One dataset: images uint8 (N, H, W) or (N, C, H, W), labels int64 (N,), both splits.

    ``sha256`` is the checksum of the content, ``origin`` says where the files were found.
    ``class_groups`` (classes,) is the group of every class, if the dataset has such groups
    (superclasses, alphabets); ``train_tasks`` and ``test_tasks`` (N,) are given task numbers.
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


def load(name: str, path: str | None = None) -> Arrays:
    """The dataset ``name``, fetched and verified if it is not in the cache yet.

    ``npz`` is the user's own data in the file ``path``.
    """
    if name == "npz":
        return importlib.import_module("cl_bench.datasets.npz").load(path)
    if path is not None:
        raise UsageError(f"dataset.path={path}: only dataset=npz reads a file; set it to null")
    if name not in SOURCES:
        raise UsageError(
            f"dataset.source={name}: no such dataset (choose from {', '.join([*SOURCES, 'npz'])})"
        )
    return importlib.import_module(f"cl_bench.datasets.{SOURCES[name]}").load(name)
