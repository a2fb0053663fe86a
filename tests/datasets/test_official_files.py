"""CIFAR and Omniglot are read from their official layouts, and only with the right content."""

import hashlib
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from cl_bench import datasets
from cl_bench.datasets import cifar, omniglot, sources
from cl_bench.datasets.cache import fetch
from cl_bench.datasets.idx import parse_idx
from cl_bench.datasets.sources import SourceError
from cl_bench.datasets.unpickle import load_arrays
from cl_bench.errors import RunError

RNG = np.random.default_rng(0)


def official_files(folder, coarse):
    """Tiny official pickles (protocol 2, as Python 2 wrote them) and the layout with their md5."""
    sizes = {"data_batch_1": 6, "data_batch_2": 4, "test_batch": 3}
    folder.mkdir(parents=True)
    md5, arrays = {}, {}
    for name, size in sizes.items():
        data = RNG.integers(0, 256, (size, 3072), dtype=np.uint8)
        labels = RNG.integers(0, 10, size).tolist()
        batch = {"data": data, "fine_labels" if coarse else "labels": labels}
        if coarse:
            batch["coarse_labels"] = [label // 5 for label in labels]
        content = pickle.dumps(batch, protocol=2)
        (folder / name).write_bytes(content)
        md5[name] = hashlib.md5(content).hexdigest()
        arrays[name] = (data, labels)
    files = list(md5.items())
    keys = ("fine_labels", "coarse_labels") if coarse else ("labels",)
    layout = cifar.Layout(folder.name, "tiny", tuple(files[:2]), tuple(files[2:]), keys)
    return layout, arrays


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_):
        raise SourceError("no network")

    monkeypatch.setattr(sources, "download", refuse)
    monkeypatch.setattr(sources, "_client", refuse)


@pytest.mark.parametrize("coarse", [False, True])
def test_cifar_pickles_become_images_and_labels(tmp_path, coarse):
    layout, arrays = official_files(tmp_path / "tiny-py", coarse)
    content = cifar.read_official(sources.unpacked([tmp_path], "tiny-py"), layout)
    train_x, train_y, test_x, _ = (parse_idx(content[file]) for file in cifar.FILES)
    assert train_x.shape == (10, 3, 32, 32)
    assert test_x.shape == (3, 3, 32, 32)
    # a row of the official file is red, green, blue, each plane row by row
    assert train_x[0, 1, 2, 3] == arrays["data_batch_1"][0][0, 1024 + 2 * 32 + 3]
    assert train_y[:, 0].tolist() == arrays["data_batch_1"][1] + arrays["data_batch_2"][1]
    if coarse:
        assert train_y[:, 1].tolist() == [label // 5 for label in train_y[:, 0]]


@pytest.mark.parametrize("end", ["tar.gz", "tar.xz"])
def test_cifar_archives_give_the_same(tmp_path, end):
    layout, _ = official_files(tmp_path / "tiny-py", coarse=False)
    archive = tmp_path / f"tiny.{end}"
    with tarfile.open(archive, f"w:{end[4:]}") as tar:
        tar.add(tmp_path / "tiny-py", "tiny-py")
    member = sources.tar_members(archive.read_bytes(), "tiny-py")
    unpacked = sources.unpacked([tmp_path], "tiny-py")
    assert cifar.read_official(member, layout) == cifar.read_official(unpacked, layout)
    with pytest.raises(SourceError, match="no file tiny-py/data_batch_9"):
        member("data_batch_9")
    with pytest.raises(SourceError, match="not a whole tar archive"):
        sources.tar_members(archive.read_bytes()[:-200], "tiny-py")


def test_a_pickle_with_another_md5_is_not_opened(tmp_path):
    layout, _ = official_files(tmp_path / "tiny-py", coarse=False)

    class Mark:
        def __reduce__(self):
            return (open, (str(tmp_path / "opened"), "w"))

    (tmp_path / "tiny-py" / "data_batch_2").write_bytes(pickle.dumps(Mark()))
    with pytest.raises(SourceError, match="data_batch_2 has md5"):
        cifar.read_official(sources.unpacked([tmp_path], "tiny-py"), layout)
    assert not (tmp_path / "opened").exists()


def test_the_reader_of_pickles_refuses_code(tmp_path):
    for payload in (
        b"cos\nsystem\n(S'true'\ntR.",
        pickle.dumps(np.array([print], dtype=object)),
        pickle.dumps({"data": datasets.Arrays}),
    ):
        with pytest.raises(pickle.UnpicklingError, match="refused to load"):
            load_arrays(io.BytesIO(payload))
    assert load_arrays(io.BytesIO(pickle.dumps({"a": np.arange(3)})))["a"].tolist() == [0, 1, 2]


def test_cifar_of_the_npm_package(monkeypatch):
    pixels = RNG.integers(0, 256, (6, 4, 32, 32, 3), dtype=np.uint8)
    files = {}
    for number, part in enumerate(pixels, start=1):
        buffer = io.BytesIO()
        Image.fromarray(part.reshape(4, 1024, 3)).save(buffer, "PNG")
        name = f"data_batch_{number}.png" if number < 6 else "test_batch.png"
        files[name] = buffer.getvalue()
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(cifar, "NPM_PICTURES", sums)
    monkeypatch.setattr(cifar, "NPM_SIZE", (1024, 4))
    files["train_lables.json"] = json.dumps(list(range(10)) * 2).encode()
    files["test_lables.json"] = json.dumps([3, 1, 2, 0]).encode()
    content = cifar.read_npm(files.__getitem__)
    train_x, train_y, test_x, test_y = (parse_idx(content[file]) for file in cifar.FILES)
    assert np.array_equal(train_x, pixels[:5].reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2))
    assert np.array_equal(test_x, pixels[5].transpose(0, 3, 1, 2))
    assert train_y[:, 0].tolist() == list(range(10)) * 2
    assert test_y[:, 0].tolist() == [3, 1, 2, 0]
    files["data_batch_1.png"] = b"no picture"
    monkeypatch.setattr(Image, "open", None)  # it is not even tried
    with pytest.raises(SourceError, match=r"not the known ones \(data_batch_1.png has another"):
        cifar.read_npm(files.__getitem__)


def test_cifar_from_the_data_directory_is_cached_and_verified(data_dir, offline, monkeypatch):
    layout, _ = official_files(data_dir / "tiny-py", coarse=True)
    content = cifar.read_official(sources.unpacked([data_dir], "tiny-py"), layout)
    sums = tuple(hashlib.sha256(content[file]).hexdigest() for file in cifar.FILES)
    monkeypatch.setitem(cifar.LAYOUTS, "cifar100", layout)
    monkeypatch.setitem(cifar.SHA256, "cifar100", sums)
    first, again = datasets.load("cifar100"), datasets.load("cifar100")
    assert (first.origin, again.origin) == ("official folder", "cache")
    assert first.sha256 == again.sha256
    assert first.train_labels.dtype == np.int64
    assert len(first.group_names) == 20
    damaged = data_dir / "cifar100" / cifar.FILES[0]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0\0")
    assert np.array_equal(datasets.load("cifar100").train_images, first.train_images)
    assert list(damaged.parent.glob("*.corrupt1"))


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "omniglot"])
def test_a_machine_without_network_says_what_to_put_where(name, data_dir, offline):
    with pytest.raises(RunError, match="By hand: put") as caught:
        datasets.load(name)
    assert str(data_dir) in str(caught.value)
    assert "no network" in str(caught.value)


def omniglot_members(per_character=20):
    members = {}
    for part, alphabets in zip(omniglot.SETS, (("Greek", "Latin"), ("Angelic",)), strict=True):
        for alphabet in alphabets:
            for character in (1, 2):
                for drawing in range(1, per_character + 1):
                    buffer = io.BytesIO()
                    ink = RNG.random((105, 105)) < drawing / 40
                    Image.fromarray(~ink).save(buffer, "PNG")
                    name = f"{part}/{alphabet}/character{character:02}/0001_{drawing:02}.png"
                    members[name] = buffer.getvalue()
    return members


def test_omniglot_from_folders_and_zip_files(data_dir, offline, monkeypatch):
    members = omniglot_members()
    for name, content in members.items():
        (data_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (data_dir / name).write_bytes(content)
    found = omniglot.convert(iter(sorted(members.items())))
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in found.items()}
    monkeypatch.setattr(omniglot, "SHA256", sums)
    data = datasets.load("omniglot")
    assert data.origin == "folders"
    assert data.train_images.shape == (6 * 15, 28, 28)
    assert data.test_images.shape == (6 * 5, 28, 28)
    assert data.group_names == ("Greek", "Latin", "Angelic")
    assert data.class_groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.train_labels.tolist() == sorted(list(range(6)) * 15)
    # drawings were made darker from the first to the last
    assert data.train_images[0].mean() < data.test_images[0].mean()

    for part in omniglot.SETS:
        with zipfile.ZipFile(data_dir / f"{part}.zip", "w") as archive:
            for name, content in reversed(members.items()):
                if name.startswith(part):
                    archive.writestr(name, content)
        (data_dir / part).rename(data_dir / f"away-{part}")
    for file in sums:
        (data_dir / "omniglot" / file).unlink()
    zipped = datasets.load("omniglot")
    assert zipped.origin == "zip files"
    assert np.array_equal(zipped.test_images, data.test_images)


def test_omniglot_needs_all_drawings():
    with pytest.raises(SourceError, match="not every character has 20 drawings"):
        omniglot.convert(iter(omniglot_members(per_character=19).items()))


def test_a_damaged_zip_file_or_drawing_of_omniglot_is_told():
    name, content = next(iter(omniglot_members().items()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    whole = packed.getvalue()
    start = 30 + len(name)  # of the member's content
    packing = whole.index(b"PK\1\2") + 10  # the number of the method, in the list of members
    for place, value in ((start, 0xFF), (packing, 99)):
        damaged = bytearray(whole)
        damaged[place] = value
        with pytest.raises(SourceError, match="not a whole zip file"):
            omniglot.convert(omniglot.zipped([bytes(damaged)]))
    drawing = bytearray(content)
    drawing[11] = 1  # byte of the header's length
    with pytest.raises(SourceError, match=f"{name}: not a PNG picture"):
        omniglot.convert(iter([(name, bytes(drawing))]))


def test_shrinking_keeps_the_share_of_ink():
    ink = np.zeros((2, 105, 105), bool)
    ink[0] = True
    ink[1, :15, :30] = True  # exactly 4 x 8 pixels of 3.75
    small = omniglot.shrink(ink)
    assert (small[0] == 255).all()
    assert (small[1, :4, :8] == 255).all()
    assert small[1].astype(int).sum() == 255 * 32
    ink = RNG.random((3, 105, 105)) < 0.3
    expected = 255 * ink.mean((1, 2))
    assert np.allclose(omniglot.shrink(ink).mean((1, 2)), expected, atol=0.5)


def test_wrong_content_of_a_source_is_not_cached(data_dir):
    source = ("made up", lambda files: {"a": b"wrong"})
    with pytest.raises(RunError, match="made up: a has sha256"):
        fetch("thing", {"a": hashlib.sha256(b"right").hexdigest()}, [source], "By hand: no.")
    assert not (data_dir / "thing" / "a").exists()
