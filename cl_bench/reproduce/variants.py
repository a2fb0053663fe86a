"""The page of variants: the authors' behaviour and the paper's text, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cl_bench import metrics
from cl_bench.config.recipe import TITLES, Named
from cl_bench.metrics.base import as_told
from cl_bench.report.statistics import Difference, spread
from cl_bench.reproduce.markdown import Runs, _footer, _rows, by_table, number, with_spread
from cl_bench.reproduce.records import measure_recorded
from cl_bench.reproduce.verdict import against, values

SHOWN = ("acc", "bwt", "forgetting", "la")


def variants_page(recipes: Sequence[Named], everything: Runs, comment: str) -> str:
    """Per question a table: each variant, and its difference from the first, paired by seed."""
    text = [f"# {TITLES['variants']}", "", comment.strip(), ""]
    for table, members in by_table(recipes).items():
        text += [f"## {table}", ""]
        measure = measure_recorded([run for one in members for run in everything[one.name]])
        headings = [as_told(metrics.find(key), measure).heading for key in SHOWN]
        difference = f"Δ{headings[0]} [95% interval]"
        text += _rows(["", f"{headings[0]} (runs)", *headings[1:], difference, "p"])
        # the variant that the others are compared with comes first, wherever it is from
        bases = {named.recipe.compare for named in members}
        first = [named for named in recipes if named.short in bases]
        for named in first + [named for named in members if named not in first]:
            text.append("| " + " | ".join(_cells(named, everything)) + " |")
        text.append("")
    text += _denominators(everything)
    return "\n".join([*text, *_footer("variants", {n.name: everything[n.name] for n in recipes})])


def _cells(named: Named, everything: Runs) -> list[str]:
    runs = everything.get(named.name, [])
    shown = [values(runs, metric) for metric in SHOWN]
    diverged = sum(run["diverged"] for run in runs)
    texts = [with_spread(spread(found) if found else None, diverged) for found in shown]
    difference = None
    if named.recipe.compare is not None:
        difference = against(runs, everything.get(f"{named.paper}/{named.recipe.compare}", []))
    row = [named.recipe.row, texts[0], *(text.rpartition(" (")[0] or text for text in texts[1:])]
    return [*row, *_difference(difference)]


def _difference(found: Difference | None) -> list[str]:
    if found is None:
        return ["", ""]
    text = number(found.mean, sign=True)
    if found.low is not None:
        text += f" [{number(found.low, sign=True)}, {number(found.high, sign=True)}]"
    return [text, "–" if found.p is None else f"{found.p:.2g}"]


def _denominators(everything: Runs) -> list[str]:
    """BWT over T-1 (the paper's formula) and over T (the authors' code), of GEM's own tables."""
    text = ["## BWT's denominator", ""]
    text += _rows(["", "sum / (T−1), the formula", "sum / T, the code", "published"])
    for name, runs in everything.items():
        if not name.startswith("gem2017/mnist_") or "epoch" in name or not runs:
            continue
        text.append("| " + " | ".join(_denominator(name, runs)) + " |")
    return [*text, ""]


def _denominator(name: str, runs: list[dict[str, Any]]) -> list[str]:
    from cl_bench.config.recipe import read_recipes

    published = read_recipes([name])[0].recipe.published.get("bwt_authors_code")
    kinds = (values(runs, "bwt"), values(runs, "bwt_authors_code"))
    return [name.partition("/")[2], *(with_spread(spread(v)) for v in kinds), number(published)]
