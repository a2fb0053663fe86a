"""The tables of ``cl-bench reproduce`` on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from cl_bench.config.recipe import Named
from cl_bench.reproduce.markdown import Runs, by_table, cells
from cl_bench.reproduce.records import measure_recorded
from cl_bench.reproduce.verdict import INSIDE, OUTSIDE, judge
from cl_bench.results.terminal import output

STYLES = {INSIDE: "green", OUTSIDE: "bold red"}


def print_tables(recipes: Sequence[Named], runs: Runs) -> None:
    """Setting, published value, ours, difference and verdict, a table per setting."""
    console = output(160)
    for heading, members in by_table(recipes).items():
        table = Table(
            box=None, padding=(0, 2, 0, 0), header_style="dim", title=heading, title_justify="left"
        )
        table.add_column("")
        table.add_column("metric", no_wrap=True)
        for name in ("published", "ours (runs)", "difference", "tolerance"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("verdict")
        for named in members:
            label = named.recipe.row
            for line in judge(named, runs[named.name]):
                *texts, verdict = cells(line, measure_recorded(runs[named.name]))
                table.add_row(label, *texts, Text(verdict, style=STYLES.get(line.verdict, "")))
                label = ""
        console.print(table)
        console.print()
    sources = dict.fromkeys(
        f"{named.paper}: {named.recipe.source}" for named in recipes if named.recipe.source
    )
    if sources:
        console.print("Published: " + "; ".join(sources), style="dim")
