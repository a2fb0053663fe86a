"""A recipe: what a paper did, as overrides in ``conf/paper/``, and what it reports.

Imports no torch: ``cl-bench reproduce --list`` is to be instant.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from cl_bench.config import origins
from cl_bench.config.choices import files
from cl_bench.config.schema import Settings, check, similar
from cl_bench.errors import UsageError

# how far a published number has been verified; "memory" is no gate, whatever comes out
Trust = Literal["secondary", "confirmed", "notebook", "code", "memory"]
TRUST = {
    "secondary": "from careful secondary records of the paper",
    "confirmed": "recalled, and confirmed by an independent implementation",
    "notebook": "printed by the authors' own result notebook",
    "code": "stored in the authors' repository",
    "memory": "recalled, unverified: an indicator only",
}
# how far ours may be from a published number: twice its spread over seeds, but no less than LEAST;
# GUESS where no spread is known
LEAST, LEAST_BWT = 0.02, 0.04  # BWT is a difference of two accuracies
GUESS, GUESS_CAPACITY = 0.05, 0.3  # a capacity is in networks

TITLES = {
    "gem2017": "GEM: Lopez-Paz & Ranzato 2017, arXiv:1706.08840",
    "hsu2018": "Three scenarios: Hsu et al. 2018, arXiv:1810.12488",
    "mas2018": "MAS: Aljundi et al. 2018, arXiv:1711.09601",
    "mer2019": "MER: Riemer et al. 2019, arXiv:1810.11910",
    "agem2019": "A-GEM: Chaudhry et al. 2019, arXiv:1812.00420",
    "er2019": "Tiny episodic memories: Chaudhry et al. 2019, arXiv:1902.10486",
    "mir2019": "MIR: Aljundi et al. 2019, arXiv:1908.04742",
    "apd2020": "APD: Yoon et al. 2020, arXiv:1902.09432",
    "lamaml2020": "La-MAML: Gupta et al. 2020, arXiv:2007.13904",
    "der2020": "DER: Buzzega et al. 2020, arXiv:2004.07211",
    "gdumb2020": "GDumb: Prabhu et al. 2020, ECCV",
    "variants": "Where the authors' code and the paper's text differ",
}


class Recipe(Settings):
    """The node ``recipe`` of a file in ``conf/paper/``: metrics as in ``metrics.json``, and
    ``aopd``, ``mopd`` over ``orders``.

    ``spread`` is the standard deviation over seeds of a published number: the paper's own, or that
    of the authors' code run again. ``differs`` says in what the published numbers are of another
    protocol: they are shown and not judged. ``minutes`` are those of one run on one CPU core, as
    measured or, where none was run yet, by its steps.
    """

    table: str  # the setting, the heading that its rows share
    row: str
    published: dict[str, float] = Field(default_factory=dict)
    source: str | None = None
    trust: Trust | None = None
    spread: dict[str, float] = Field(default_factory=dict)
    compare: str | None = None  # the recipe of the same folder that this is a variant of
    seeds: int = Field(default=5, ge=1)
    orders: list[str] = Field(default_factory=list)
    fast: bool = False  # part of `make reproduce-fast`
    note: str | None = None
    differs: str | None = None
    minutes: float = Field(gt=0)

    def tolerance(self, metric: str) -> float | None:
        """How far ours may be from the published value of the metric; None if there is none."""
        if metric not in self.published:
            return None
        if metric not in self.spread:
            return GUESS_CAPACITY if metric.startswith("capacity") else GUESS
        least = LEAST_BWT if metric.startswith("bwt") else LEAST
        return max(2 * self.spread[metric], least)


@dataclass(frozen=True, eq=False)
class Named:
    """A recipe and where it stands; ``name`` is what follows ``+paper=``."""

    paper: str
    short: str
    recipe: Recipe

    @property
    def name(self) -> str:
        return f"{self.paper}/{self.short}"


def papers() -> list[str]:
    """The folders of recipes, oldest paper first."""
    folders = (path for origin in origins.known() for path in origin.conf.glob("paper/*"))
    found = {path.name for path in folders if path.is_dir()}
    return [paper for paper in TITLES if paper in found] + sorted(found - TITLES.keys())


def check_recipe(values: dict[str, Any], prefix: str = "recipe") -> Recipe:
    """The typed recipe; a :class:`UsageError` of one line if something in it is wrong."""
    recipe = check(values, Recipe, prefix)
    if stray := [key for key in recipe.spread if key not in recipe.published]:
        raise UsageError(f"{prefix}.spread: {', '.join(stray)} is not among the published numbers")
    if bool(recipe.published) != (recipe.trust is not None):
        raise UsageError(f"{prefix}.trust: goes with published numbers, and they with it")
    return recipe


def recipe_names() -> list[str]:
    """What may follow ``+paper=``."""
    return [
        f"{paper}/{name}"
        for paper in papers()
        for name in sorted(files(f"paper/{paper}"), key=_natural)
    ]


def _natural(name: str) -> list[tuple[str, int]]:
    """A key that sorts ``gem_500`` before ``gem_5120``."""
    return [(text, int(part or 0)) for text, part in re.findall(r"(\D+)(\d*)", name)]


def read_recipes(words: list[str]) -> list[Named]:
    """The recipes that ``words`` name: papers, recipes or patterns (``gem2017/cifar*``)."""
    import yaml

    everything = recipe_names()
    chosen: list[str] = []
    for word in words or papers():
        pattern = word if "/" in word else f"{word}/*"
        found = fnmatch.filter(everything, pattern)
        if not found:
            known = everything if "/" in word else papers()
            hint = similar(word, known)
            raise UsageError(
                f"reproduce {word}: no such paper or recipe{hint} (papers: {', '.join(papers())}; "
                "cl-bench reproduce --list shows all recipes)"
            )
        chosen += [name for name in found if name not in chosen]
    recipes = []
    for name in chosen:
        paper, short = name.split("/")
        values = yaml.safe_load(files(f"paper/{paper}")[short][1].read_text())
        recipes.append(Named(paper, short, check_recipe(values["recipe"], f"{name}: recipe")))
    return sorted(recipes, key=lambda found: papers().index(found.paper))
