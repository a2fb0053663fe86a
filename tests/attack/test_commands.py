"""Commands that are drawn from a grammar of the config tree: none may end in a traceback.

Whatever a user writes, an exit code that is not zero comes with a sentence that names the fix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import killed_child
import pytest
from small_runs import METHODS, small

from cl_bench.cli.main import COMMANDS
from cl_bench.config.choices import GROUPS, choices
from cl_bench.config.compose import config_of
from cl_bench.config.recipe import recipe_names

NUMBERS = ("0", "1", "2", "3", "7", "0.5", "-1", "-0.5", "1e-9", "1e-50", "0.999")
HUGE = (
    "1e30",
    "1e38",
    "1e39",
    "-1e39",
    "1e400",
    "100000000",
    "9" * 15,
    "9" * 18,
    "9" * 26,
    "-1e300",
)
ODD = (
    "nan", "inf", "-inf", "null", "true", "''", "x", "[]", "[1,2]", "[a]", "{}", "{a:1}", "[[1]]",
    "???", "$", "${nothing}", "${seed}", "${oc.env:HOME}", "${oc.env:NOT_THERE}", "${method}",
    "1,2", "1,,2", "range(3)", "range(1000000)", "range(0)", "range(1,2,0)", "glob(*)", "glob(g*)",
    "interval(0,1)", "choice(1,2)", "sort(2,1)", "shuffle(1,2)", "int(1.5)", "foo(1)", "(1)", "[1",
    "{", '"', "'", "a:b", "a b", "½", "../../x", "/dev/null/x", "~/x", "a/b", "\x1b[31m", "=", "+",
    "base", "__init__", "os.path",
)  # fmt: skip
# a run of these takes long, or asks somebody elsewhere: only planned
PLANNED = ("dataset.epochs", "method.replay", "method.batches", "method.glances", "method.passes")
FLAGS = (
    "-m", "--multirun", "-q", "--cfg", "--resolve", "--info", "--run", "-p", "-cd", "--config-dir",
    "--config-path", "--config-name", "--experimental-rerun", "--version", "-sc", "--nonsense",
    "-x", "--hydra-help", "--help", "--dry-run", "job", "all", "nope",
)  # fmt: skip
# what a sentence says that names a way out
FIX = re.compile(
    r"choose|give|set |did you mean|options:|should |must|need|lower|quot|leave|add -m|write|name |"
    r"see |at most|at least|takes |use |make|is neither|can be set|shows|stale=|force=|pip install|"
    r"is not taken|there is|there are|split|export|is wrong|valid|expected|less than|one of|only|"
    r"no such home|-h|wait for|commands:|run cl-bench|sweep over|with a plus|to have"
)


@cache
def keys(method: str) -> list[str]:
    """Every key of the method's composed config, with its sections."""
    return sorted(_keys(config_of(small(method)).model_dump(), ""))


def _keys(values: dict, prefix: str) -> Iterator[str]:
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")


def misspelt(draw: Random, word: str) -> str:
    at = draw.randrange(len(word))
    return draw.choice([word[:at] + word[at + 1 :], word[:at] + draw.choice("xq.=@/") + word[at:]])


def drawn(draw: Random) -> list[str]:
    """One command line."""
    if draw.random() < 0.2:
        return other_command(draw)
    method = draw.choice(METHODS)
    words, long = small(method), draw.random() < 0.5
    known = keys(method)
    tame = draw.random() < 0.5  # most of these get as far as a run
    for _ in range(1 if tame else draw.choice((1, 2, 3))):
        key = draw.choice([*known, *GROUPS.values(), "hydra/launcher", "+paper", "hydra.verbose"])
        value = draw.choice(NUMBERS if tame else draw.choice((NUMBERS, HUGE, ODD)))
        group = key.lstrip("+")
        if group in GROUPS.values() and draw.random() < 0.7:
            value = draw.choice(list(choices(group)))
        if group == "paper" and draw.random() < 0.7:
            value = draw.choice(recipe_names())
        long |= group in ("dataset", "tracker", "paper") or (key in PLANNED and value in HUGE)
        kind = 0.5 if tame else draw.random()
        if kind < 0.1:
            key = misspelt(draw, key)
        elif kind < 0.25:
            key = draw.choice(("+", "~", "++")) + key
        words.append(key if kind > 0.97 or key[0] == "~" else f"{key}={value}")
    if draw.random() < 0.2:
        words.insert(draw.randrange(len(words)), draw.choice(FLAGS))
    if draw.random() < 0.2:
        words.append("-m")
    return [*words, "--dry-run"] if long else words


def other_command(draw: Random) -> list[str]:
    words = [draw.choice([*COMMANDS, misspelt(draw, "report")])]
    pool = [
        "outputs", "nowhere", "methods", "runs", "x.npz", "task=1", "task=x", "--out", "x.pdf",
        "x.md", "--by", "method", "--baseline", "method=gem", "--format", "--list", "--table", "0",
        "--seeds", "99999999", "-1", "gem2017", "gem20", "dataset=digits_split", "dataset.tasks=7",
        "--task", "x=", "", "-", "--", "\x1b[31m", "method.lr=-1", "device=cpu", "method", "anchor",
        "--into", "mine", "--include",
    ]  # fmt: skip
    words += draw.sample(pool, draw.randrange(4))
    # what would run for hours is only shown
    return [*words, "--list"] if words[0] == "reproduce" else words


def attack(seed: str, count: int, folder: Path) -> None:
    draw, wrong = Random(seed), []
    for number in range(count):
        words, cwd = drawn(draw), folder / str(number)
        cwd.mkdir()
        child = killed_child.start(words, cwd)
        child.join(600)  # what takes longer hangs
        if child.exitcode is None:
            child.kill()
        said = (cwd / "said").read_text(errors="replace")
        if problem := wrong_with(child.exitcode, said):
            wrong.append(f"{problem}: {words}\n{said[-1500:]}")
    assert not wrong, "\n".join(wrong)


def wrong_with(code: int | None, said: str) -> str:
    """What must not be; empty if all is well."""
    if code not in (0, 1, 2):
        return f"exit code {code}"
    for word in ("Traceback", "unexpected ", "Warning:", "\x1b"):
        if word in said:
            return f"says {word!r}"
    told = [line for line in said.splitlines() if line.startswith(("cl-bench: ", "  "))]
    if code and not any(FIX.search(line) for line in told):
        return "names no fix"
    return ""


@pytest.mark.parametrize("part", range(4))
def test_sixty_drawn_commands(tmp_path, part):
    attack(f"short {part}", 15, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_five_hundred_drawn_commands(tmp_path, part):
    attack(f"long {part}", 25, tmp_path)
