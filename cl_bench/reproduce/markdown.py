"""The pages of ``results/``: one per paper, and the overview of every published number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from cl_bench import metrics
from cl_bench.config.recipe import TITLES, TRUST, Named
from cl_bench.config.target import ACCURACY, Measure
from cl_bench.metrics.base import as_told
from cl_bench.report.statistics import Spread
from cl_bench.reproduce.records import measure_recorded
from cl_bench.reproduce.verdict import Line, judge
from cl_bench.run.progress import duration

Runs = dict[str, list[dict[str, Any]]]  # by the recipe's name


def by_table(recipes: Sequence[Named]) -> dict[str, list[Named]]:
    """Recipes by the heading that they share, in order of appearance."""
    found: dict[str, list[Named]] = {}
    for named in recipes:
        found.setdefault(named.recipe.table, []).append(named)
    return found


def number(value: float | None, sign: bool = False) -> str:
    """Three digits, as the papers print; a dash for None."""
    if value is None:
        return "–"
    text = f"{value:+.3f}" if sign else f"{value:.3f}"
    return text.replace("-", "−").replace("−0.000", "0.000").replace("+0.000", "0.000")


def with_spread(spread: Spread | None, diverged: int = 0) -> str:
    """``0.826 ± 0.002 (4, 1 diverged)``: mean, standard deviation, number of runs."""
    if spread is None:
        return f"– ({diverged} diverged)" if diverged else "–"
    std = f" ± {spread.std:.3f}" if spread.std is not None else ""
    runs = f"{spread.n}, {diverged} diverged" if diverged else f"{spread.n}"
    return f"{number(spread.mean)}{std} ({runs})"


def cells(line: Line, measure: Measure = ACCURACY) -> list[str]:
    """A line of a table: metric, published, ours, difference, tolerance, verdict."""
    return [
        as_told(metrics.find(line.metric), measure).heading,
        number(line.published),
        with_spread(line.ours, line.diverged),
        number(line.difference, sign=True),
        "–" if line.tolerance is None else f"{line.tolerance:g}",
        line.verdict,
    ]


def paper_page(paper: str, recipes: Sequence[Named], runs: Runs, comment: str) -> str:
    """A paper's tables in Markdown, the notes below each, and how to run it again."""
    text = [f"# {TITLES.get(paper, paper)}", ""]
    if comment:
        text += [comment.strip(), ""]
    for table, members in by_table(recipes).items():
        text += [f"## {table}", ""]
        text += _rows(
            [
                *("", "metric", "published", "ours (runs)", "difference", "tolerance", "verdict"),
                "a run",
            ]
        )
        notes = []
        for named in members:
            label = f"{named.recipe.row}"
            for note in filter(None, (named.recipe.note, named.recipe.differs)):
                notes.append(note)
                label += f" [{_index(notes)}]"
            found = runs.get(named.name, [])
            time, measure = _time(found), measure_recorded(found)
            for line in judge(named, found):
                text.append("| " + " | ".join([label, *cells(line, measure), time]) + " |")
                label = time = ""
        text.append("")
        text += [f"[{i}] {note}  " for i, note in enumerate(dict.fromkeys(notes), start=1)]
        sources = dict.fromkeys(
            f"{named.recipe.source} ({TRUST[named.recipe.trust]})"
            for named in members
            if named.recipe.trust is not None
        )
        if sources:
            text += ["Published: " + "; ".join(sources) + ".", ""]
    return "\n".join([*text, *_footer(paper, runs)])


def _time(runs: list[dict[str, Any]]) -> str:
    """How long one run took: the median."""
    seconds = [run["metrics"].get("seconds_total") for run in runs]
    known = [value for value in seconds if value is not None]
    return duration(median(known)) if known else "–"


def _index(notes: list[str]) -> int:
    return list(dict.fromkeys(notes)).index(notes[-1]) + 1


def _rows(header: Sequence[str]) -> list[str]:
    return ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]


def _footer(paper: str, runs: Runs) -> list[str]:
    everything = [run for members in runs.values() for run in members]
    ordered = any(run["order"] is not None for run in everything)
    text = [
        "",
        "Ours: mean ± standard deviation over seeds (number of runs); tasks, initialisation and "
        "sample order are drawn anew for every seed."
        + (" Where task orders are named, the runs are those of all orders." if ordered else ""),
        "",
        f"Again: `cl-bench reproduce {paper}`; the runs behind this page are in "
        f"[records/{paper}](records/{paper}).",
    ]
    if everything:
        machines = dict.fromkeys(_machine(r["environment"]) for r in everything if r["environment"])
        text += ["", "Computed with " + "; ".join(machines) + "."]
    return [*text, ""]


def _machine(environment: dict[str, Any]) -> str:
    packages = environment.get("packages") or {}
    versions = ", ".join(f"{key} {packages[key]}" for key in ("torch", "numpy") if key in packages)
    device = environment.get("device")
    where = environment.get("cpu") if device == "cpu" else device
    threads = f"{environment.get('threads')} thread(s)"
    return f"cl-bench {environment.get('cl_bench')}, {versions} on {where}, {threads}"


def overview(tables: dict[str, list[tuple[Named, list[Line]]]]) -> str:
    """Every published number, ours and the verdict, and how many of each verdict there are."""
    lines = [line for rows in tables.values() for _, found in rows for line in found]
    published = [line for line in lines if line.published is not None]
    counts = Counter(line.verdict.partition(":")[0] for line in published)
    text = ["| verdict | published numbers |", "|---|---|"]
    text += [f"| {verdict} | {count} |" for verdict, count in sorted(counts.items())]
    text += [f"| all | {len(published)} |", ""]
    for paper, rows in tables.items():
        text += [f"## [{TITLES.get(paper, paper)}]({paper}.md)", ""]
        text += _rows(["setting", "", "metric", "published", "ours (runs)", "verdict"])
        for named, found in rows:
            for line in found:
                if line.published is not None:
                    metric, value, ours, _, _, verdict = cells(line)
                    start = [named.recipe.table, named.recipe.row]
                    text.append("| " + " | ".join([*start, metric, value, ours, verdict]) + " |")
        text.append("")
    return "\n".join(text)
