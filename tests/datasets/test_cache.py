import gzip
import hashlib
import logging

import pytest

from cl_bench.datasets import cache
from cl_bench.datasets.cache import fetch
from cl_bench.datasets.sources import SourceError
from cl_bench.errors import RunError

CONTENT = {"one": b"first file", "two": b"second file"}
SHA256 = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path))
    return tmp_path / "set"


def good(files):
    return {file: CONTENT[file] for file in files}


def unreachable(files):
    raise SourceError("no route")


def wrong(files):
    return dict.fromkeys(files, b"something else")


def forbidden(files):
    raise AssertionError("a source was asked although the cache is complete")


def fetch_with(*sources):
    return fetch("set", SHA256, [(s.__name__, s) for s in sources], "By hand: ask.")


def test_sources_are_tried_in_order_and_the_cache_serves_next_time(folder):
    got = fetch_with(unreachable, wrong, good)
    assert got["files"] == CONTENT
    assert got["origin"] == "good"
    assert (folder / "one").read_bytes() == CONTENT["one"]
    assert fetch_with(forbidden)["origin"] == "cache"


def test_all_failures_are_told_with_the_way_out(folder):
    with pytest.raises(RunError) as error:
        fetch_with(unreachable, wrong)
    text = str(error.value)
    assert "unreachable: no route" in text
    assert "wrong: one has sha256" in text
    assert text.endswith("By hand: ask.")
    assert not list(folder.glob("one*"))


def test_files_put_there_by_hand_are_used_gzipped_too(folder):
    folder.mkdir()
    (folder / "one").write_bytes(CONTENT["one"])
    (folder / "two.gz").write_bytes(gzip.compress(CONTENT["two"]))
    assert fetch_with(forbidden)["files"] == CONTENT


@pytest.mark.parametrize("damage", [b"", b"first fil", b"first file and more"])
def test_a_damaged_file_is_set_aside_and_fetched_again(folder, damage, caplog):
    fetch_with(good)
    (folder / "one").write_bytes(damage)
    with caplog.at_level(logging.WARNING, "cl_bench"):
        assert fetch_with(good)["files"] == CONTENT
    assert (folder / "one.corrupt1").read_bytes() == damage
    assert (folder / "one").read_bytes() == CONTENT["one"]
    assert "damaged" in caplog.text


def test_what_another_process_has_repaired_meanwhile_is_kept(folder, monkeypatch):
    """It comes between this process' reading of the damaged file and what it does about it."""
    fetch_with(good)
    (folder / "one").write_bytes(b"damaged")
    read, others = cache.read_bounded, [good]

    def read_early(path, largest):
        content = read(path, largest)
        if content == b"damaged" and others:
            fetch_with(others.pop())
        return content

    monkeypatch.setattr(cache, "read_bounded", read_early)
    assert fetch_with(forbidden)["files"] == CONTENT
    assert not others
    assert (folder / "one").read_bytes() == CONTENT["one"]
    assert [path.name for path in folder.glob("*.corrupt*")] == ["one.corrupt1"]


def test_a_truncated_gzip_is_set_aside(folder):
    folder.mkdir()
    (folder / "one.gz").write_bytes(gzip.compress(CONTENT["one"])[:-6])
    assert fetch_with(good)["files"] == CONTENT
    assert (folder / "one.gz.corrupt1").exists()


def test_a_cache_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(RunError, match="CL_BENCH_DATA"):
        fetch_with(good)
