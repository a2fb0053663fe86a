"""Own pictures: a folder for each class, ``PATH/CLASS/*``, or ``PATH/train/CLASS/*`` and
``PATH/test/CLASS/*``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from cl_bench.datasets import Arrays
from cl_bench.datasets.pictures import Pictures
from cl_bench.errors import UsageError
from cl_bench.files.bounds import read_bounded
from cl_bench.files.untrusted import clean

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
EVERY = 5  # without a folder test, every fifth picture of a class is for testing
LARGEST = 2**26  # bytes of a picture's file


def load(
    path: str | None, size: Annotated[int, Field(ge=1, le=1024)] | None = None, grey: bool = False
) -> Arrays:
    """uint8 (N, 3, H, W), or (N, H, W) if ``grey``; classes are named by their folders, sorted.

    ``size`` scales every picture to this many pixels on a side; None: they must have one size.
    """
    if path is None:
        raise UsageError("dataset=folder: give the folder with dataset.path=FOLDER")
    root = Path(path).expanduser()
    if not root.is_dir():
        raise UsageError(f"dataset.path={path}: no such folder")
    parts = {"train": root / "train", "test": root / "test"}
    given = all(place.is_dir() for place in parts.values())
    names = _folders(parts["train"] if given else root)
    if len(names) < 2:
        raise UsageError(
            f"{root}: has {len(names)} folders; it needs one for each class, or train and test "
            "with one for each class"
        )
    if given and (strange := set(_folders(parts["test"])) - set(names)):
        raise UsageError(f"{root}: test has a class {clean(min(strange))} that train does not have")
    pictures = {part: Pictures(size, grey) for part in parts}
    labels: dict[str, list[int]] = {part: [] for part in parts}
    digest = hashlib.sha256()
    for label, name in enumerate(names):
        for part, file in _split(root, parts, given, name):
            shown = str(file.relative_to(root))
            try:
                content = read_bounded(file, LARGEST)
                pictures[part].add(clean(shown), content)
            except OSError as error:
                reason = error.strerror or error
                raise UsageError(f"{root}: {clean(shown)} cannot be read: {reason}") from None
            except ValueError as error:
                raise UsageError(f"{root}: {error}") from None
            labels[part].append(label)
            digest.update(f"{part} {name} {len(content)} ".encode() + content)
    for part, found in labels.items():
        if missing := set(range(len(names))) - set(found):
            raise UsageError(
                f"{root}: class {clean(names[min(missing)])} has no picture for {part}"
                f" ({', '.join(ENDINGS)})"
            )
    return Arrays(
        clean(root.resolve().name),
        pictures["train"].stack(),
        np.array(labels["train"]),
        pictures["test"].stack(),
        np.array(labels["test"]),
        len(names),
        digest.hexdigest(),
        str(root),
        class_names=tuple(clean(name, 80) for name in names),
    )


def _folders(place: Path) -> list[str]:
    return sorted(p.name for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))


def _split(
    root: Path, parts: dict[str, Path], given: bool, name: str
) -> Iterator[tuple[str, Path]]:
    """(train or test, file) for every picture of a class, in the order of their names."""
    if given:
        for part, place in parts.items():
            yield from ((part, file) for file in _files(place / name))
        return
    for number, file in enumerate(_files(root / name), start=1):
        yield "test" if number % EVERY == 0 else "train", file


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith(".")
    )
