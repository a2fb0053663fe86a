"""`--include`: a folder's choices as the command line has them."""

import pytest

METHOD = """
from cl_bench.methods.base import Method

class Anchor(Method):
    kept = ()
"""
YAML = """# @package _global_
# stays close | a test
defaults:
  - /common/optimizer@method.optimizer
  - _self_
method: {name: anchor, lr: 0.03}
"""
SHORT = ("dataset=digits_permutations", "dataset.tasks=2", "dataset.samples_per_task=40",
         "device=cpu", "plots=false")  # fmt: skip


@pytest.fixture
def anchor(own):
    own.write("methods/anchor.py", METHOD)
    own.write("conf/method/anchor.yaml", YAML)
    return own


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("cl-bench --include mylab method=anc", "method=anchor"),
        ("cl-bench --include=mylab method=anchor method.l", "method.lr="),
        ("cl-bench method=anchor --include mylab me", "metho"),
        ("cl-bench method=anc", ""),
        ("cl-bench --include ", ""),
        ("cl-bench --include myl", ""),
    ],
)
def test_tab_completes_what_a_folder_offers(line, offered, anchor, inline, monkeypatch):
    monkeypatch.setenv("COMP_LINE", line)
    _, out, err = inline("-sc", "query=bash")
    assert offered in out
    assert bool(out.strip()) == bool(offered)
    assert err == ""


def test_it_goes_with_every_command_before_and_after_it(anchor, inline):
    for words in (
        ("--include", "mylab", "ls", "methods"),
        ("ls", "methods", "--include=mylab"),
        ("ls", "anchor", "--include", "mylab"),
        ("--include", "mylab", "--help"),
        ("--include", "mylab", "method=anchor", "--cfg", "job"),
        ("--include", "mylab", "method=anchor", *SHORT, "--dry-run"),
    ):
        code, out, err = inline(*words)
        assert (code, err) == (0, ""), err
        assert "anchor" in out
    assert "mylab" not in inline("ls", "methods")[1]  # and with that command alone


FAULTS = {
    "a folder that is not there": ((), ("--include", "mylob"), "--include mylob: is no directory"),
    "no folder": ((), ("--include",), "--include: needs a folder of choices"),
    "no YAML": (("conf/method/anchor.yaml", None), ("method=anchor",),
                "mylab/methods/anchor.py, line 4: has no YAML"),
    "no module": (("methods/anchor.py", None), ("method=anchor",),
                  "mylab/conf/method/anchor.yaml, line 1: there is no file mylab/methods/"),
    "no import": (("methods/anchor.py", "import nothing_of_this_name\n"), ("method=anchor",),
                  "mylab/methods/anchor.py, line 1: ModuleNotFoundError"),
    "odd YAML": (("conf/method/anchor.yaml", "a: [1\nb: 2\n"), ("method=anchor",),
                 "mylab/conf/method/anchor.yaml, line 2: "),
    "odd YAML, listed": (("conf/method/anchor.yaml", "a: [1\nb: 2\n"), ("ls",),
                         "mylab/conf/method/anchor.yaml, line 2: "),
    "empty YAML": (("conf/method/anchor.yaml", "# nothing\n"), ("ls",),
                   "mylab/conf/method/anchor.yaml, line 1: has no settings"),
    "a metric": (("metrics/odd.py", "1 / 0\n"), ("method=anchor",),
                 "mylab/metrics/odd.py, line 1: ZeroDivisionError"),
    "a wrong value": ((), ("method=anchor", "method.lr=-1"), "method.lr=-1: should be greater"),
    "a wrong option": ((), ("method=anchor", "method.rl=1"), "method.rl: no such option"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_one_sentence_before_anything_is_written(fault, anchor, inline, tmp_path):
    change, words, sentence = FAULTS[fault]
    if change:
        name, content = change
        if content is None:
            (anchor.folder / name).unlink()
        else:
            anchor.write(name, content)
    more = SHORT if words[0].startswith("method") else ()
    code, out, err = inline(*words, *more, *(() if "--include" in words else INCLUDED))
    assert (code, out.count("Traceback")) == (2, 0)
    assert sentence in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mylab"]


INCLUDED = ("--include", "mylab")


def test_an_error_while_it_learns_names_the_place(anchor, inline):
    anchor.write(
        "methods/anchor.py", METHOD + "\n    def observe(self, x, y, task):\n        1 / 0\n"
    )
    code, _, err = inline("method=anchor", *SHORT, "--include", "mylab")
    assert code == 1
    assert "unexpected ZeroDivisionError in mylab/methods/anchor.py, line 8: division" in err


def test_a_metric_of_a_folder_is_in_every_table(anchor, inline):
    """Of runs that were made before it, too."""
    assert inline("method=single", *SHORT)[0] == 0
    anchor.write(
        "metrics/lab.py",
        "from cl_bench.metrics.base import metric\n\n"
        '@metric("Lowest", "the worst task", better=1, shown=True)\n'
        "def lowest(run):\n    return run.matrix[-1].min()\n",
    )
    code, out, _ = inline("ls", "metrics", "--include", "mylab")
    assert "Lowest · the worst task · from mylab" in out
    for form in ("terminal", "csv", "latex", "html", "markdown", "json"):
        code, out, err = inline("report", "outputs", "--format", form, "--include", "mylab")
        assert code == 0, err
        assert "lowest" in out.lower(), form
