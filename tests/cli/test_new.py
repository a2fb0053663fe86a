"""What `cl-bench new` writes works as it stands, and `cl-bench check` says so."""

import sys

import pytest

from cl_bench.check.new import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_right(kind, inline, tmp_path):
    name = f"my_{kind}"
    code, out, err = inline("new", kind, name, "--into", "lab")
    assert code == 0, err
    *written, check, use = out.splitlines()
    assert all((tmp_path / path).is_file() for path in written)
    assert check == f"cl-bench check lab {name}"
    code, out, err = inline(*check.split()[1:])
    assert code == 0, out + err
    assert "1 checked, no faults" in out
    short = ["dataset=digits_permutations", "dataset.tasks=2", "dataset.samples_per_task=40"]
    words = use.split()[1:]
    if kind != "metric":
        more = [] if kind in ("dataset", "stream") else short
        code, out, err = inline(*words, *more, "device=cpu", "plots=false")
        assert code == 0, err
        code, out, _ = inline("--include", "lab", "ls", KINDS[kind].yaml + "s"
                              if kind != "memory" else "memories")  # fmt: skip
        (line,) = [line for line in out.splitlines() if line.strip().startswith(name)]
        assert line.endswith("from lab")


def test_its_test_is_a_test(inline, tmp_path, monkeypatch):
    assert inline("new", "metric", "worst_task", "--into", "lab")[0] == 0
    monkeypatch.setattr(sys, "argv", ["cl-bench"])
    namespace = {"__file__": str(tmp_path / "lab" / "tests" / "test_worst_task.py")}
    exec((tmp_path / "lab" / "tests" / "test_worst_task.py").read_text(), namespace)
    namespace["test_worst_task"]()


def test_nothing_is_overwritten(inline, tmp_path):
    assert inline("new", "method", "anchor", "--into", "lab")[0] == 0
    path = tmp_path / "lab" / "methods" / "anchor.py"
    path.write_text("mine")
    (tmp_path / "lab" / "conf" / "method" / "anchor.yaml").unlink()
    code, _, err = inline("new", "method", "anchor", "--into", "lab")
    assert code == 2
    assert "lab/methods/anchor.py is there already; nothing written" in err
    assert path.read_text() == "mine"
    assert not (tmp_path / "lab" / "conf" / "method" / "anchor.yaml").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("method", "gem", "--into", "lab"), "cl_bench/methods/gem.py has this name; choose"),
        (("model", "My-Net", "--into", "lab"), "is no name; take small letters"),
        (("method", "class", "--into", "lab"), "is no name"),
        (("method", "../x", "--into", "lab"), "is no name"),
        (("method", "mine"), "say where, --into FOLDER"),
        (("methods", "mine"), "invalid choice: 'methods'"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(words, sentence, inline, tmp_path):
    code, out, err = inline("new", *words)
    assert (code, out) == (2, "")
    assert sentence in err
    assert not list(tmp_path.iterdir())


def test_it_goes_where_is_included(inline, own):
    own.write("metrics/other.py", "")
    code, _, _ = inline("--include", "mylab", "new", "metric", "worst_task")
    assert code == 0
    assert (own.folder / "metrics" / "worst_task.py").is_file()


def test_check_tells_each_fault_in_one_sentence(inline, own):
    inline("new", "method", "anchor", "--into", "mylab")
    path = own.folder / "methods" / "anchor.py"
    path.write_text(path.read_text().replace('kept = ("anchor",)', "kept = ()"))
    own.write("metrics/odd.py", "x = 1\n")
    own.write("models/net.py", "import nothing_of_this_name\n")
    own.write("streams/mine.py", "from cl_bench.streams.base import Stream\n\n"
              "class S(Stream):\n    def make_tasks(self):\n        yield\n")  # fmt: skip
    code, out, err = inline("check", "mylab")
    assert (code, err) == (1, "")
    faults = [line for line in out.splitlines() if line.strip().startswith("✗")]
    assert [next(k for k in KEYS if k in line) for line in faults] == list(KEYS)
    assert out.splitlines()[-1] == "4 checked, 4 faults"
    code, out, _ = inline("check", "mylab", "mine")
    assert code == 1
    assert "1 checked" in out
    code, _, err = inline("check", "mylab", "nothing")
    assert code == 2
    assert "mylab has no choice nothing" in err


KEYS = (
    "what changes and is not in kept: anchor",
    "model=net: mylab/models/net.py, line 1: ModuleNotFoundError: No module named",
    "says stream: mine, so it cannot be chosen",
    "mylab/metrics/odd.py, line 1: defines no metric",
)


def test_what_check_needs_is_a_folder_alone(inline):
    code, _, err = inline("check")
    assert code == 2
    assert "required: FOLDER; see" in err
