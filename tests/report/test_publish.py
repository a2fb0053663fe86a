import json
import re
import shutil
from pathlib import Path

import pytest
from synthetic_runs import write_run


@pytest.fixture
def runs(tmp_path):
    for seed in range(2):
        write_run(tmp_path / "outputs", "gem", seed, [0.7 + seed / 50] * 3, memory=200)
        write_run(tmp_path / "outputs", "single", seed, [0.4 + seed / 100] * 3)
    write_run(tmp_path / "outputs", "er", 0, state="diverged", message="not finite after task 2")
    write_run(tmp_path / "outputs", "er", 1, state="failed", message="no data in /home/somebody")
    return tmp_path


def published(inline, *words):
    code, out, error = inline("report", *words)
    assert code == 0, error
    return out


def test_what_is_published_can_be_read_and_followed(inline, runs):
    out = published(inline, "--publish", "page", "--baseline", "method=single", "--percent")
    assert out.split() == [
        f"page/{n}" for n in ("index.html", "README.md", "runs.jsonl", "schema.json")
    ]
    lines = [json.loads(line) for line in Path("page/runs.jsonl").read_text().splitlines()]
    assert sorted((x["config"]["method"]["name"], x["state"]) for x in lines) == [
        ("er", "diverged"), ("gem", "finished"), ("gem", "finished"),
        ("single", "finished"), ("single", "finished"),
    ]  # fmt: skip
    known = json.loads(Path("page/schema.json").read_text())["properties"]
    assert all(x.keys() <= known.keys() for x in lines)
    for page in Path("page").rglob("*.md"):
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / link).exists(), (page, link)
    for link in re.findall(r'href="\./([^"]+)"', Path("page/index.html").read_text()):
        assert (Path("page") / link).exists()
    assert "71.00 ± 1.41" in Path("page/README.md").read_text()
    assert "not finite after task 2" in Path("page/index.html").read_text()


def test_nothing_of_the_machine_is_published(inline, runs):
    published(inline, "--publish", "page")
    for path in Path("page").rglob("*.*"):
        if path.is_file():
            assert "somebody" not in path.read_text()
            assert str(runs) not in path.read_text()


def test_what_others_published_goes_into_a_table_with_ours(inline, runs):
    published(inline, "--publish", "theirs")
    write_run(runs / "mine", "mas", 0, [0.6] * 3)
    copied = next((runs / "outputs").glob("gem-seed0*"))
    shutil.copytree(copied, runs / "mine" / copied.name)
    out = published(inline, "mine", "--merge", "theirs", "--format", "json")
    rows = {row["method.name"]: row["n"] for row in json.loads(out)["rows"]}
    assert rows == {"gem": 2, "mas": 1, "single": 2}  # the run that both have counts once
    assert "are the same run" in " ".join(json.loads(out)["notes"])
    published(inline, "mine", "--merge", "theirs", "--publish", "all")
    rows = json.loads(published(inline, "--merge", "all", "--format", "json"))["rows"]
    assert sum(row["n"] for row in rows) == 5


def test_a_row_is_named_by_its_numbers(inline, runs):
    def names():
        return {path.name for path in Path("page/rows").iterdir()}

    published(inline, "--publish", "page")
    first = names()
    published(inline, "--publish", "page", "--sort", "acc")
    assert names() == first
    card = next(p for p in Path("page/rows").iterdir() if p.read_text().startswith("# gem"))
    assert f"`{card.stem}`" in card.read_text()
    write_run(runs / "outputs", "gem", 2, [0.7] * 3, memory=200)
    published(inline, "--publish", "page")
    assert len(names() & first) == 1  # gem's is another one now, single's is the same


def test_published_again_nothing_stale_is_left_and_nothing_else_is_touched(inline, runs):
    published(inline, "--publish", "page")
    Path("page/CNAME").write_text("results.example.org")
    Path("page/runs/notes.txt").write_text("mine")
    shutil.rmtree(next((runs / "outputs").glob("gem-seed1*")))
    published(inline, "--publish", "page")
    left = {path.name for path in Path("page/runs").iterdir()}
    assert not any(name.startswith("gem-seed1") for name in left)
    assert {"notes.txt"} < left
    assert Path("page/CNAME").exists()


def test_the_same_run_of_two_versions_is_published_twice(inline, runs):
    for commit in "ab":
        write_run(runs / "both" / commit, "mas", 0, commit=commit * 40, folder="mas-0")
    published(inline, "both", "--publish", "page")
    assert {path.name for path in Path("page/runs").iterdir()} == {"mas-0", "mas-0-2"}


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--publish", "outputs"], 2, "it holds other files; name a new directory"),
        (["--publish", "file"], 2, "this is a file"),
        (["--merge", "outputs"], 1, "runs.jsonl is missing"),
        (["--merge", "nowhere"], 1, "is missing"),
    ],
)
def test_a_mistake_is_one_sentence(inline, runs, words, code, sentence):
    (runs / "file").write_text("")
    found, _, error = inline("report", *words)
    assert (found, error.count("\n")) == (code, 1)
    assert sentence in error
