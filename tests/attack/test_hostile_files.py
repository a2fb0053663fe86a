"""Files that hang, unfold or steer a terminal: each is told in one sentence, in bounded memory."""

from __future__ import annotations

import csv
import gzip
import json
import os
import zipfile

import numpy as np
import pytest
from cut_runs import cut_off
from small_runs import small

from cl_bench.datasets import cache, idx, sources
from cl_bench.datasets.cache import fetch
from cl_bench.datasets.sources import SourceError
from cl_bench.errors import RunError
from cl_bench.files.bounds import TooLarge, gunzip_bounded, read_bounded
from cl_bench.files.state import read_state, write_state
from cl_bench.results.record import read_accuracy

OWN = ("method=single", "dataset=npz", "plots=false", "device.threads=1", "model.hidden=[4]")


@pytest.fixture
def fifo(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    return tmp_path / "pipe.npz"


@pytest.mark.timeout(600)  # what is not refused hangs
def test_a_pipe_or_a_device_is_no_data(inline, fifo):
    for path in (fifo, "/dev/zero"):
        code, _, error = inline(*OWN, f"dataset.path={path}")
        assert code == 2
        assert "it is not a regular file" in error
        assert error.count("\n") == 1
    code, _, error = inline("method=single", "dataset=folder", f"dataset.path={fifo}")
    assert code == 2
    assert "no such folder" in error


@pytest.mark.timeout(600)  # what is not refused hangs
def test_a_pipe_is_nothing_to_predict(inline, fifo):
    run = inline(*small("single"))[1].splitlines()[-1]
    for path in (fifo, "/dev/zero"):
        code, _, error = inline("predict", run, str(path))
        assert code == 2
        assert "it is not a regular file" in error


@pytest.mark.timeout(600)  # what is not refused hangs
def test_a_pipe_in_the_cache_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path))
    (tmp_path / "set").mkdir()
    os.mkfifo(tmp_path / "set" / "one")
    with pytest.raises(RunError, match="it is not a regular file"):
        fetch("set", {"one": "0" * 64}, [], "By hand: no.")


def test_a_gzip_bomb_in_the_cache_is_set_aside_in_little_memory(tmp_path, monkeypatch):
    bomb = tmp_path / "mnist" / f"{idx.FILES[1]}.gz"
    bomb.parent.mkdir()
    with gzip.open(bomb, "wb", compresslevel=9) as file:
        for _ in range(16):
            file.write(bytes(2**22))  # 64 MiB, where there are 60 kB
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path))
    read = []

    def noted(content, largest):
        read.append(largest)
        return gunzip_bounded(content, largest)

    monkeypatch.setattr(cache, "gunzip_bounded", noted)
    offline = [("made up", lambda files: (_ for _ in ()).throw(SourceError("no network")))]
    monkeypatch.setattr(idx, "_sources", lambda name: offline)
    with pytest.raises(RunError, match="no network"):
        idx.load("mnist")
    assert set(read) == {idx.SIZES[1]}
    assert bomb.with_name(f"{bomb.name}.corrupt1").exists()


def test_no_more_is_read_than_may_be(tmp_path):
    (tmp_path / "file").write_bytes(bytes(100))
    assert len(read_bounded(tmp_path / "file", 100)) == 100
    with pytest.raises(TooLarge):
        read_bounded(tmp_path / "file", 99)
    packed = gzip.compress(bytes(10**6))
    assert len(gunzip_bounded(packed, 10**6)) == 10**6
    with pytest.raises(TooLarge):
        gunzip_bounded(packed, 10**6 - 1)


def test_an_archive_whose_arrays_no_memory_holds(inline, tmp_path):
    """A header can promise more than there is; nothing of it is unpacked."""
    np.savez(tmp_path / "small.npz", x_train=np.zeros((3, 3), np.uint8))
    with zipfile.ZipFile(tmp_path / "small.npz") as archive:
        content = archive.read("x_train.npy")
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as archive:
        archive.writestr("x_train.npy", content)
    data = bytearray((tmp_path / "own.npz").read_bytes())
    listed = data.index(b"PK\x01\x02")
    data[listed + 24 : listed + 28] = b"\xfe\xff\xff\xff"  # its size, unpacked: 4 GiB
    (tmp_path / "own.npz").write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cl_bench.datasets.npz.free_memory", lambda: 2**31)
        code, _, error = inline(*OWN, "dataset.path=own.npz")
    assert code == 2
    assert "its arrays take 4.0 GiB of memory, 2.0 GiB are free" in error


def test_the_web_is_asked_by_https_alone(monkeypatch):
    asked = []

    class Answer:
        url = "http://elsewhere/file"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, n):
            raise AssertionError("what came without TLS was read")

    monkeypatch.setattr(
        sources.urllib.request, "urlopen", lambda url, timeout: asked.append(url) or Answer()
    )
    for name in ("mnist", "fashion"):
        for label, source in idx._sources(name):
            if label.startswith("web"):
                with pytest.raises(SourceError, match="is not HTTPS"):
                    source({"train-labels-idx1-ubyte": 100})
    assert len(asked) == 3
    assert all(url.startswith("https://") for url in asked)


def test_a_crafted_checkpoint_does_not_steer_a_terminal(inline, tmp_path):
    words = [*small("single"), "quiet=false"]
    with pytest.MonkeyPatch.context() as patch:
        cut_off(patch, 9)
        assert inline(*words)[0] == 130
    (path,) = (tmp_path / "outputs").glob("*/checkpoint.safetensors")
    state, facts = read_state(path)
    write_state(path, state, {**facts, "setting": {"device": "\x1b[2J\x1b]0;mine\x07"}})
    code, out, error = inline(*words)
    assert code == 0, error
    assert "the last digits may differ" in error
    assert "\x1b" not in out + error
    assert "\x1b" not in (path.parent / "run.log").read_text()


FORMULAS = ("=1+1", "+2", "-3", "@SUM(A1)", "'quoted", "plain")


def test_names_are_text_in_a_table_never_a_formula(inline, tmp_path):
    names = np.array(FORMULAS)[np.arange(60) % 6]
    x = np.random.default_rng(0).integers(0, 256, (60, 9), dtype=np.uint8)
    labels = np.arange(60) % 3
    np.savez(tmp_path / "own.npz", x_train=x, y_train=labels, t_train=names,
             x_test=x, y_test=labels, t_test=names)  # fmt: skip
    code, out, error = inline(*OWN, "dataset.path=own.npz", "-q")
    assert code == 0, error
    run = tmp_path / out.splitlines()[-1]
    header = next(csv.reader((run / "accuracy.csv").open()))
    assert [name for name in header if name[0] in "=+-@"] == []
    assert read_accuracy(run)[0] == list(FORMULAS)
    # the same words as settings of a table
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "finished"
    config = (run / "config.yaml").read_text()
    other = run.with_name("other")
    other.mkdir()
    for path in run.iterdir():
        if path.is_file():
            (other / path.name).write_bytes(path.read_bytes())
    (other / "config.yaml").write_text(config.replace("scenario: task", "scenario: '=cmd()'"))
    code, out, error = inline("report", "outputs", "--format", "csv")
    assert code == 0, error
    cells = [cell for row in csv.reader(out.splitlines()) for cell in row]
    assert any("cmd()" in cell for cell in cells)
    assert not [cell for cell in cells if cell[:1] in ("=", "@")]
