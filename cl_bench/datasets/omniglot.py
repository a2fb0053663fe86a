"""Omniglot: 1,623 characters of 50 alphabets, each drawn by 20 people (Lake et al. 2015).

The characters of the background set come first, then those of the evaluation set, by alphabet.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cl_bench.datasets import Arrays, sources
from cl_bench.datasets.cache import Source, cache_dir, fetch
from cl_bench.datasets.idx import parse_idx, to_idx
from cl_bench.datasets.pictures import decode_png
from cl_bench.datasets.sources import SourceError
from cl_bench.files.bounds import read_bounded, take

SETS = ("images_background", "images_evaluation")
FILES = IMAGES, ALPHABETS, NAMES = "images-idx4-ubyte", "alphabets-idx1-ubyte", "alphabets.txt"
# of the cache's files; made from the official images
SHA256 = {
    IMAGES: "d1ae29c35b546f5e6cc50ee7b9b9c04e9f89f3bd72c0dcd666d4b6d6cb5bf8a7",
    ALPHABETS: "38a0eafd96d5342e46b9b0fcc6df66580406605c600a96da0012b5898ca749a0",
    NAMES: "b8c7e3e9002f8462ce8dedc8241d72177a8a0a25f45765d16fe214550f9e6d41",
}
WEB = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
DRAWINGS, TRAINING, SIZE = 20, 15, 28
DRAWN = 105  # pixels, the side of a drawing
# bytes of the cache's files at most; of a drawing, whose own are a few hundred
SIZES = {IMAGES: 20 + 1623 * 20 * 28 * 28, ALPHABETS: 8 + 1623, NAMES: 10_000}
LARGEST_DRAWING = 2**16


def load(name: str) -> Arrays:
    """uint8 (N, 28, 28), ink bright; the first 15 drawings of a character train, the last 5 test.

    A class is a character, its group is its alphabet.
    """
    by_hand = (
        f"By hand: put {SETS[0]}.zip and {SETS[1]}.zip from github.com/brendenlake/omniglot "
        f"(folder python), or the two folders, into {cache_dir()}."
    )
    got = fetch(name, SHA256, _sources(name), by_hand, SIZES)
    images = parse_idx(got["files"][IMAGES])
    labels = np.broadcast_to(np.arange(len(images))[:, None], images.shape[:2])
    return Arrays(
        name,
        images[:, :TRAINING].reshape(-1, SIZE, SIZE),
        labels[:, :TRAINING].reshape(-1),
        images[:, TRAINING:].reshape(-1, SIZE, SIZE),
        labels[:, TRAINING:].reshape(-1),
        len(images),
        hashlib.sha256("".join(SHA256.values()).encode()).hexdigest(),
        got["origin"],
        class_groups=parse_idx(got["files"][ALPHABETS]).astype(np.int64),
        group_names=tuple(got["files"][NAMES].decode().split("\n")),
    )


def convert(members: Iterator[tuple[str, bytes]]) -> dict[str, bytes]:
    """The cache's files from (``set/alphabet/character/drawing.png``, content) in that order."""
    drawings: dict[tuple[str, str], list[np.ndarray]] = {}
    for path, content in members:
        _, alphabet, character, _ = path.split("/")
        try:
            image = decode_png(content, (DRAWN, DRAWN), "1")
        except ValueError as error:
            raise SourceError(f"{path}: {error}") from None
        drawings.setdefault((alphabet, character), []).append(~image)
    if not drawings or {len(found) for found in drawings.values()} != {DRAWINGS}:
        raise SourceError(f"not every character has {DRAWINGS} drawings")
    names = list(dict.fromkeys(alphabet for alphabet, _ in drawings))
    alphabets = np.array([names.index(alphabet) for alphabet, _ in drawings], np.uint8)
    images = np.stack([shrink(np.stack(found)) for found in drawings.values()])
    return {IMAGES: to_idx(images), ALPHABETS: to_idx(alphabets), NAMES: "\n".join(names).encode()}


def shrink(ink: np.ndarray) -> np.ndarray:
    """bool (n, H, H) to uint8 (n, 28, 28): the share of ink in each pixel's area, rounded.

    Sums of whole numbers in units of 1/28 pixel, so that the result is the same everywhere.
    """
    side = ink.shape[1]
    edges = np.arange(SIZE + 1) * side  # of the new pixels, in units of 1/28 old pixel
    old = np.arange(side) * SIZE
    overlap = np.minimum(edges[1:, None], old + SIZE) - np.maximum(edges[:-1, None], old)
    weights = overlap.clip(0).astype(np.float64)
    area = weights @ ink.astype(np.float64) @ weights.T
    return np.rint(area * 255 / side**2).astype(np.uint8)


def _sources(name: str) -> list[Source]:
    places = [cache_dir(), cache_dir() / name]

    def from_folders(files: dict[str, int]) -> dict[str, bytes]:
        for place in places:
            if all((place / part).is_dir() for part in SETS):
                return convert(_unpacked(place))
        raise SourceError(f"no folders {' and '.join(SETS)} in {places[0]}")

    def from_zips(files: dict[str, int]) -> dict[str, bytes]:
        paths = [sources.first_file(places, [f"{part}.zip"]) for part in SETS]
        return convert(zipped([sources.read_file(path) for path in paths]))

    def from_web(files: dict[str, int]) -> dict[str, bytes]:
        return convert(zipped([sources.download(f"{WEB}/{part}.zip") for part in SETS]))

    return [("folders", from_folders), ("zip files", from_zips), ("web", from_web)]


def _unpacked(place: Path) -> Iterator[tuple[str, bytes]]:
    for part in SETS:
        for path in sorted((place / part).glob("*/*/*.png")):
            try:
                yield path.relative_to(place).as_posix(), read_bounded(path, LARGEST_DRAWING)
            except OSError as error:
                raise SourceError(f"cannot read {path}: {sources.reason(error)}") from None


def zipped(archives: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """The drawings in zip files, by name."""
    for content in archives:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for member in sorted(archive.namelist()):
                    if member.endswith(".png") and member.count("/") == 3:
                        with archive.open(member) as file:
                            yield member, take(file, LARGEST_DRAWING)
        except Exception as error:  # zipfile and what it unpacks with have many kinds for damage
            raise SourceError(f"not a whole zip file: {sources.reason(error)}") from None
