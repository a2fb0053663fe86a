"""State on disk: what goes in comes out, and what was tampered with does not."""

from __future__ import annotations

import os
import pickle

import pytest
import safetensors.torch
import torch

from cl_bench.files.state import KEY, read_state, write_state

STATE = {
    "theta": torch.tensor([1.5, -0.0, torch.inf]),
    "empty": torch.empty(0, 3),
    "scalar": torch.tensor(7),
    "flags": torch.tensor([True, False]),
    "bytes": torch.arange(5, dtype=torch.uint8),
    "nested": {"a": [torch.ones(2), None, {"b": 0.1}], "tuple": (1, "x", True)},
    "none": None,
}


def test_round_trip(tmp_path):
    write_state(tmp_path / "s", STATE, {"fact": [1, 0.1]})
    state, facts = read_state(tmp_path / "s")
    assert facts == {"fact": [1, 0.1]}
    assert state.keys() == STATE.keys()
    for key in ("theta", "empty", "scalar", "flags", "bytes"):
        assert torch.equal(state[key], STATE[key])
        assert state[key].dtype == STATE[key].dtype
    assert torch.equal(state["nested"]["a"][0], torch.ones(2))
    assert state["nested"]["a"][1:] == [None, {"b": 0.1}]
    assert state["nested"]["tuple"] == [1, "x", True]


def test_views_of_one_storage_are_kept_apart(tmp_path):
    whole = torch.arange(6.0)
    write_state(tmp_path / "s", {"whole": whole, "part": whole[2:4], "t": whole.view(2, 3).t()}, {})
    state, _ = read_state(tmp_path / "s")
    assert torch.equal(state["whole"], whole)
    assert torch.equal(state["part"], whole[2:4])
    assert torch.equal(state["t"], whole.view(2, 3).t())


def test_equal_contents_are_equal_files(tmp_path):
    for name in ("a", "b"):
        write_state(tmp_path / name, STATE, {"x": 1, "y": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("value", [{1: 2}, {"__tensor__": "theta"}, {"x": object()}, {"x": {1}}])
def test_state_that_would_not_come_back_is_refused(tmp_path, value):
    with pytest.raises(TypeError, match="state"):
        write_state(tmp_path / "s", value, {})
    assert not (tmp_path / "s").exists()


def test_every_cut_and_every_flipped_byte_is_noticed(tmp_path):
    path = tmp_path / "s"
    write_state(path, STATE, {"fact": 1})
    whole = path.read_bytes()
    for cut in {0, 7, 8, 100, len(whole) // 2, len(whole) - 1}:
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="it"):
            read_state(path)
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        with pytest.raises(ValueError):  # noqa: PT011 (a byte of the header may fail in any way)
            read_state(path)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Bomb()),
        b"",
        b"\xff" * 64,
        b"{}",
        safetensors.torch.save({"x": torch.ones(1)}),
        safetensors.torch.save({"x": torch.ones(1)}, {KEY: "[" * 100_000}),
        safetensors.torch.save({"x": torch.ones(1)}, {KEY: "[]"}),
        safetensors.torch.save({}, {KEY: '{"state": {}, "facts": [], "sha256": ""}'}),
    ],
    ids=["pickle", "empty", "noise", "json", "plain", "deep", "list", "facts"],
)  # fmt: skip
def test_foreign_files_are_refused_and_not_executed(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="it"):
        read_state(path)
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_only_plain_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "link", "folder"):
        with pytest.raises(ValueError, match="not a plain file"):
            read_state(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "nothing")
