"""The pages of docs/: what they show runs as it stands there, what is generated is up to date.

A block that begins with ```` ```sh run ```` or ```` ```python run ```` is run, all of a page in one
empty directory: the shell's blocks and Python's in their order, those of Python in one session.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, environment

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(sh|python) run\n(.*?)^```", re.M | re.S)
PAGES = [path for path in sorted(DOCS.glob("*.md")) if BLOCK.search(path.read_text())]

# runs the files it is given, one whole file at a time, and keeps what the last ones have defined
SESSION = """
import subprocess, sys
space = {"__name__": "__main__"}
for path in sys.argv[1:]:
    if path.endswith(".py"):
        exec(compile(open(path).read(), path, "exec"), space)
    else:
        subprocess.run(["bash", "-euo", "pipefail", path], check=True)
"""


def generator():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# a quarter to half a minute each
LONG = ("choosing", "concepts", "own-data", "reproduce", "sweeps", "your-own")


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.slow] if p.stem in LONG else [], id=p.stem) for p in PAGES],
)
def test_what_a_page_shows_runs(page, tmp_path):
    folder, bin_ = tmp_path / "blocks", tmp_path / "bin"
    folder.mkdir()
    bin_.mkdir()
    for name, words in (("cl-bench", "-m cl_bench "), ("python", "")):
        (bin_ / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        (bin_ / name).chmod(0o755)
    files = []
    for number, (kind, text) in enumerate(BLOCK.findall(page.read_text())):
        files.append(folder / f"{number}.{'py' if kind == 'python' else 'sh'}")
        files[-1].write_text(text)
    (tmp_path / "work").mkdir()
    env = environment()
    done = subprocess.run(
        [sys.executable, "-c", SESSION, *map(str, files)],
        cwd=tmp_path / "work", env={**env, "PATH": f"{bin_}:{env['PATH']}"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stderr


def test_options_are_up_to_date():
    assert (DOCS / "options.md").read_text() == generator().options_page(), "run make docs"


def test_the_table_of_methods_is_up_to_date():
    made, page = generator(), (DOCS / "choosing.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", page, re.M)
    from cl_bench.config.choices import choices

    assert [name for name, _ in rows] == list(choices("method"))
    for name, told in rows:
        cells = told.split(" | ")
        assert cells[:3] == made.declaration(name), f"{name}: run make docs"
    for name in ("apd", "er", "ewc", "gem", "single"):  # all of them would take half a minute
        assert dict(rows)[name].split(" | ")[3:] == made.measured(name), f"{name}: run make docs"


def test_links_and_pictures_lead_somewhere():
    for page in [*DOCS.glob("*.md"), ROOT / "README.md"]:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            target, _, place = link.partition("#")
            if "://" in target:
                continue
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {link}"
            if place:
                heads = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
                known = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
                assert place in known, f"{page.name}: {link}"


def test_pictures_are_drawn_by_the_script():
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = {draw.__name__ for draw in module.DRAWN}
    assert drawn == {path.stem for path in Path(DOCS / "pictures").glob("*.png")}
