"""From recipes to runs: which directories they lead to, and the sweeps that fill them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.config.recipe import Named
from cl_bench.config.schema import RunConfig
from cl_bench.errors import UsageError

# what may be said beside a recipe: where and how it is run, nothing that changes its result
FREE = ("outputs", "device", "tracker", "checkpoint", "plots", "quiet", "force", "hydra")


@dataclass(frozen=True)
class Wanted:
    """One run of a recipe."""

    recipe: Named
    seed: int
    order: str | None
    directory: Path
    cfg: RunConfig

    @property
    def state(self) -> str:
        """As in ``status.json``; empty if there is none."""
        from cl_bench.files.untrusted import read_status

        there = (self.directory / "status.json").is_file()
        return read_status(self.directory)[0] if there else ""

    @property
    def done(self) -> bool:
        """Nothing more can come of it: a run that diverged would diverge again."""
        return self.state in ("finished", "diverged")

    @property
    def to_do(self) -> bool:
        return self.cfg.force or not self.done


def check_free(overrides: Sequence[str]) -> None:
    """A :class:`UsageError` for an override that would make it another experiment."""
    for word in overrides:
        key = word.lstrip("+~").partition("=")[0]
        if "=" not in word or key.replace("/", ".").partition(".")[0] not in FREE:
            raise UsageError(
                f"reproduce {word}: a recipe's protocol is kept as it is (besides {', '.join(FREE)}"
                "); for another one run cl-bench +paper=PAPER/RECIPE with your own values"
            )


def wanted(
    recipes: Sequence[Named], overrides: Sequence[str], seeds: int | None = None
) -> list[Wanted]:
    """Every run of the recipes, ``seeds`` of each where that is less than the recipe's own."""
    from omegaconf import OmegaConf

    from cl_bench.config.compose import checked, compose

    settings = [word for word in overrides if not word.startswith("hydra")]
    found = []
    for named in recipes:
        composed = compose([f"+paper={named.name}", *settings])
        recipe = named.recipe
        for seed in range(recipe.seeds if seeds is None else min(seeds, recipe.seeds)):
            for order in recipe.orders or [None]:
                one = composed.copy()  # to compose takes much longer
                OmegaConf.update(one, "seed", seed)
                if order is not None:
                    OmegaConf.update(one, "dataset.order", order)
                cfg = checked(one)
                directory = Path(cfg.outputs).expanduser() / cfg.directory_name()
                found.append(Wanted(named, seed, order, directory, cfg))
    return found


def sweeps(todo: Sequence[Wanted], overrides: Sequence[str]) -> list[list[str]]:
    """Command lines that carry out the runs: recipes that lack the same runs go together."""
    missing: dict[Named, list[tuple[int, str | None]]] = {}
    for run in todo:
        missing.setdefault(run.recipe, []).append((run.seed, run.order))
    together: dict[tuple[tuple[int, str | None], ...], list[Named]] = {}
    for named, runs in missing.items():
        together.setdefault(tuple(runs), []).append(named)
    lines = []
    for runs, named in together.items():
        names = ",".join(recipe.name for recipe in named)
        for order in dict.fromkeys(order for _, order in runs):
            seeds = ",".join(str(seed) for seed, its in runs if its == order)
            words = ["-m", f"+paper={names}", f"seed={seeds}"]
            words += [f"dataset.order={order}"] if order is not None else []
            quiet = [] if any(word.startswith("quiet=") for word in overrides) else ["quiet=true"]
            lines.append([*words, *quiet, *overrides])
    return lines
