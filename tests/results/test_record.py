import errno
import json

import numpy as np
import pytest

from cl_bench.files import atomic
from cl_bench.files.untrusted import Damaged
from cl_bench.results.record import RESERVE, RunRecord, read_results


def test_accuracies_keep_full_precision(tmp_path):
    matrix = np.random.default_rng(0).random((3, 2))
    record = RunRecord(tmp_path / "run")
    record.start({"seed": 0})
    assert not record.finished
    acc = float(matrix[-1].mean())
    record.write(["one", "two"], matrix, {"acc": acc, "bwt": None}, {}, {}, [{"task": 0}])
    record.mark("finished")
    assert record.finished
    names, found, values = read_results(tmp_path / "run")
    assert names == ["one", "two"]
    assert values["acc"] == acc
    assert values["bwt"] == matrix[2, 0] - matrix[1, 0]  # of today, whatever is in the file
    np.testing.assert_array_equal(found, matrix)


@pytest.mark.parametrize(
    ("table", "metrics", "message"),
    [
        ("one\n0.5\n", '{"acc": 0.5}', r"accuracy.csv: shape \(1, 1\) for 1 tasks"),
        ("one\n0.1\n1.5\n", '{"acc": 1.5}', "accuracy.csv: values that are no accuracies"),
        ("one\n0.1\n0.5\n", '{"acc": 0.', "metrics.json"),
        ("one\n0.1\n0.5\n", "[0.5]", "metrics.json: not a JSON object"),
        ("one\n0.1\n0.5\n", '{"acc": "0.5"}', "metrics.json: acc is not the mean"),
        ("one\n0.1\n0.5\n", '{"acc": 0.1}', "metrics.json: acc is not the mean"),
    ],
)
def test_a_damaged_result_is_named(tmp_path, table, metrics, message):
    (tmp_path / "accuracy.csv").write_text(table)
    (tmp_path / "metrics.json").write_text(metrics)
    with pytest.raises(Damaged, match=message):
        read_results(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[1]", '"finished"', "[" * 100_000])
def test_a_damaged_status_is_not_finished(tmp_path, content):
    (tmp_path / "status.json").write_text(content)
    assert not RunRecord(tmp_path).finished


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    atomic.write_json(path, {"acc": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write_json(path, {"acc": 2})
    assert json.loads(path.read_text()) == {"acc": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_json_holds_no_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(tmp_path / "x.json", {"acc": float("nan")})


def test_a_full_disk_has_room_for_the_last_word(tmp_path, monkeypatch):
    record = RunRecord(tmp_path / "run")
    record.start({})
    room = tmp_path / "run" / RESERVE
    assert room.stat().st_size >= 2**15
    make = atomic.tempfile.mkstemp

    def full(*arguments):  # as long as the room is taken
        if room.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(*arguments)

    monkeypatch.setattr(atomic.tempfile, "mkstemp", full)
    with pytest.raises(OSError, match="No space"):
        record.write_numbers(["a"], np.zeros((2, 1)), {}, {})
    record.mark("failed", "no space")
    assert record.status["state"] == "failed"


def test_nothing_is_left_of_the_room(tmp_path):
    record = RunRecord(tmp_path / "run")
    record.start({})
    with record.writing():  # after a kill
        assert not (tmp_path / "run" / RESERVE).exists()
