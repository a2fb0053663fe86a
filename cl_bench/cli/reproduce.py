"""``cl-bench reproduce``: run a paper's recipes and put the published numbers beside ours."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.cli.start import start
from cl_bench.config.recipe import TITLES, Named, read_recipes
from cl_bench.errors import UsageError
from cl_bench.reproduce.runs import Wanted, check_free, sweeps, wanted
from cl_bench.run.progress import duration

if TYPE_CHECKING:
    from rich.table import Table


def parser():
    from cl_bench.cli.parser import Parser

    found = Parser(
        prog="cl-bench reproduce",
        description="Runs a paper's recipes over their seeds, skips what is done, and shows the "
        "published numbers beside ours.",
        allow_abbrev=False,
    )
    add = found.add_argument
    add("words", nargs="*", metavar="PAPER | PAPER/RECIPE | KEY=VALUE",
        help="papers or recipes (patterns too), and where to run them: "
        "outputs=DIR, hydra/launcher=joblib")  # fmt: skip
    add("--list", action="store_true", help="show the recipes and about how long they take")
    add("--table", action="store_true", help="run nothing: the table of what is finished")
    add("--seeds", type=int, metavar="N", help="at most N seeds of each recipe")
    add("--write", type=Path, metavar="DIR", help="add the runs to the records and pages in DIR")
    add("--check", type=Path, metavar="DIR", help="run the fast recipes anew and compare with DIR")
    return found


def main(arguments: list[str]) -> int:
    options = parser().parse_intermixed_args(arguments)
    overrides = [word for word in options.words if "=" in word]
    check_free(overrides)
    words = [word for word in options.words if "=" not in word]
    recipes = read_recipes(words)
    _check_seeds(options.seeds, recipes)
    nothing_runs = options.table or options.check is not None
    if options.list or not (words or nothing_runs):
        _print_list(recipes)
        if options.list:
            return 0
        raise UsageError(
            "reproduce: name a paper or a recipe to run, as in cl-bench reproduce "
            f"{recipes[0].paper}; all of them take days"
        )
    if options.check is not None:
        from cl_bench.reproduce.check import check

        return check(recipes, options.check, overrides, start)
    everything = wanted(recipes, overrides)
    runs = [run for run in everything if options.seeds is None or run.seed < options.seeds]
    code = 0
    if not options.table:
        for words in sweeps(_to_do(runs), overrides):
            code = max(code, start(words))
    from cl_bench.reproduce.records import read_run, write_record
    from cl_bench.reproduce.site import write_pages
    from cl_bench.reproduce.terminal import print_tables

    found = {
        named.name: [read_run(run) for run in runs if run.recipe is named and run.done]
        for named in recipes
    }
    if options.write is not None:
        for named in recipes:
            names = {run.directory.name for run in everything if run.recipe is named}
            write_record(options.write, named, found[named.name], names)
        write_pages(options.write)
    print_tables(recipes, found)
    return code


def _check_seeds(seeds: int | None, recipes: Sequence[Named]) -> None:
    most = max(named.recipe.seeds for named in recipes)
    if seeds is not None and not 1 <= seeds <= most:
        raise UsageError(f"--seeds {seeds}: the recipes have 1 to {most} seeds; choose among these")


def _to_do(runs: Sequence[Wanted]) -> list[Wanted]:
    """The runs to do, and a word about them."""
    # recipes may share a run
    todo: dict[Path, Wanted] = {}
    for run in runs:
        if run.to_do:
            todo.setdefault(run.directory, run)
    minutes = sum(run.recipe.recipe.minutes for run in todo.values())
    done = sum(not run.to_do for run in runs)
    text = f"{len(runs)} runs, {done} done, {len(todo)} to do"
    if todo:
        text += f": about {duration(60 * minutes)} one after the other on one CPU core"
    print(f"cl-bench: {text}", file=sys.stderr)
    return list(todo.values())


def _print_list(recipes: Sequence[Named]) -> None:
    from cl_bench.results.terminal import output

    console = output(160)
    for paper in dict.fromkeys(named.paper for named in recipes):
        console.print(f"{paper}  {TITLES.get(paper, '')}", style="bold")
        console.print(_listing([named for named in recipes if named.paper == paper]))
        console.print()
    console.print(
        "Times are for one after the other on one CPU core, as measured or by step times; whatever "
        "was interrupted goes on."
    )


def _listing(recipes: Sequence[Named]) -> Table:
    """A row per recipe: its name, what is published, how long it takes."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("+paper=", no_wrap=True)
    table.add_column("published")
    for name in ("runs", "a run", "all"):
        table.add_column(name, justify="right", no_wrap=True)
    for named in recipes:
        recipe = named.recipe
        numbers = ", ".join(f"{key} {value:g}" for key, value in recipe.published.items())
        runs = recipe.seeds * max(1, len(recipe.orders))
        times = [duration(60 * minutes) for minutes in (recipe.minutes, recipe.minutes * runs)]
        table.add_row(named.name, numbers or "–", str(runs), *times)
    return table
