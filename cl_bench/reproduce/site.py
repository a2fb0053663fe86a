"""All pages of ``results/``, from the records there."""

from __future__ import annotations

from pathlib import Path

from cl_bench.config.recipe import papers, read_recipes
from cl_bench.files.atomic import write_atomic
from cl_bench.reproduce.markdown import Runs, overview, paper_page
from cl_bench.reproduce.records import read_record
from cl_bench.reproduce.verdict import judge


def write_pages(place: Path) -> None:
    """All pages below ``place`` from the records there; texts in ``comments/`` are kept."""
    tables = {}
    everything: Runs = {}
    for paper in papers():
        recipes = read_recipes([paper])
        runs = {named.name: read_record(place, named) for named in recipes}
        everything |= runs
        if paper != "variants":
            write_atomic(
                place / f"{paper}.md", paper_page(paper, recipes, runs, _comment(place, paper))
            )
            tables[paper] = [(named, judge(named, runs[named.name])) for named in recipes]
    from cl_bench.reproduce.variants import variants_page

    write_atomic(
        place / "variants.md",
        variants_page(read_recipes(["variants"]), everything, _comment(place, "variants")),
    )
    from cl_bench.reproduce.publication import publish_records

    publish_records(place)
    head = _comment(place, "overview")
    write_atomic(place / "README.md", f"{head.strip()}\n\n{overview(tables)}".lstrip())


def _comment(place: Path, name: str) -> str:
    path = place / "comments" / f"{name}.md"
    return path.read_text() if path.is_file() else ""
