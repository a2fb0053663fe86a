"""``cl-bench show``: the table, the checksum of the run's record, and the picture."""

import json
import subprocess
import sys

import numpy as np
from PIL import Image

from cl_bench.cli.main import main


def show(tmp_path, capsys, *arguments):
    code = main(["show", *arguments, f"outputs={tmp_path}", "device.threads=1"])
    return code, capsys.readouterr()


def test_show_from_the_shell(tmp_path):
    command = [sys.executable, "-m", "cl_bench", "show", "dataset=digits_split"]
    done = subprocess.run(
        [*command, f"outputs={tmp_path}", "dataset.validation=0.1"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "classes 4-5" in done.stdout
    assert "5 tasks, 10 outputs, scenario task" in done.stdout
    sheet = Image.open(tmp_path / "show-digits_split-seed0.png")
    pixels = np.asarray(sheet.convert("L"))
    assert sheet.height > 5 * 56
    assert pixels.std() > 40  # digits on black, rows on white


def test_counts_are_those_of_the_stream(tmp_path, capsys):
    code, printed = show(tmp_path, capsys, "dataset=digits_split", "dataset.samples_per_task=100")
    assert code == 0
    rows = [line.split() for line in printed.out.splitlines() if "classes" in line]
    assert len(rows) == 5
    for row in rows:
        counts = [int(word.rstrip(",")) for word in row[-3::2]]
        assert sum(counts) == 100


def test_checksum_is_the_one_in_the_record(tmp_path, capsys):
    options = ["dataset=digits_rotations", "dataset.tasks=2", "dataset.samples_per_task=20"]
    _, printed = show(tmp_path, capsys, *options)
    checksum = next(
        line.split()[1] for line in printed.out.splitlines() if line.startswith("checksum")
    )
    run = ["method=single", *options, f"outputs={tmp_path}/out", "device.threads=1"]
    assert main([*run, "plots=false", "-q"]) == 0
    record = json.loads(next((tmp_path / "out").glob("*/environment.json")).read_text())
    assert record["stream_sha256"] == checksum


def test_colour_and_vectors(tmp_path, capsys):
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 4
    for shape, words in (((3, 9, 9), "picture   "), ((7,), "no picture: a sample has shape (7,)")):
        x = rng.integers(0, 256, (40, *shape), dtype=np.uint8)
        path = tmp_path / "own.npz"
        np.savez(path, x_train=x, y_train=labels, x_test=x, y_test=labels)
        code, printed = show(
            tmp_path, capsys, "dataset=npz", f"dataset.path={path}", "dataset.tasks=2"
        )
        assert code == 0
        assert words in printed.out


def test_mistakes_are_one_line(tmp_path, capsys):
    for arguments, words in (
        (["dataset=digits_splt"], "did you mean 'digits_split'?"),
        (["dataset=digits_split", "dataset.taks=3"], "did you mean 'tasks'?"),
        (["dataset=digits_split", "dataset.tasks=3"], "does not divide"),
        (["device=3"], "takes the name of one of its choices"),
        (["dataset=ü"], "quote a value"),
        (["dataset.path=${nothing}"], "nothing"),
        (["=3"], "takes GROUP=CHOICE and KEY=VALUE only"),
        (["-m"], "takes GROUP=CHOICE and KEY=VALUE only"),
    ):
        code, printed = show(tmp_path, capsys, *arguments)
        assert code == 2
        assert words in printed.err
        assert printed.err.count("\n") == 1
