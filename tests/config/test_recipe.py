from collections import Counter
from pathlib import Path

import pytest

from cl_bench.config.compose import config_of
from cl_bench.config.recipe import check_recipe, papers, read_recipes, recipe_names
from cl_bench.errors import UsageError
from cl_bench.reproduce.records import read_record
from cl_bench.reproduce.runs import FREE, check_free, sweeps, wanted

ROOT = Path(__file__).parents[2]
GEM = "gem2017/mnist_permutations_gem"


def names(words):
    return [named.name for named in read_recipes(words)]


def test_papers_recipes_and_patterns_name_recipes():
    assert names([GEM]) == [GEM]
    assert set(names(["gem2017/*_gem"])) >= {GEM, "gem2017/mnist_rotations_gem"}
    assert names([]) == recipe_names()
    sizes = [name for name in names(["mer2019"]) if "mnist_permutations_mer_" in name]
    assert [int(name.rpartition("_")[2]) for name in sizes] == [200, 500, 5120]
    with pytest.raises(UsageError, match="did you mean 'gem2017'"):
        read_recipes(["gem201"])


def test_every_recipe_is_typed():
    recipes = read_recipes([])
    assert {named.paper for named in recipes} == set(papers())
    shorts = {named.name for named in recipes}
    for named in recipes:
        if named.recipe.compare:
            assert f"{named.paper}/{named.recipe.compare}" in shorts


@pytest.mark.parametrize(
    "share", [slice(0, None, 5), pytest.param(slice(None), marks=pytest.mark.slow)]
)
def test_every_recipe_composes_and_its_record_is_its_own(share):
    recipes = read_recipes([])[share]
    runs = wanted(recipes, ["outputs=o", "device=cpu"])
    assert len(runs) >= len(recipes)
    assert {run.directory.parent.name for run in runs} == {"o"}
    judged = [run for run in runs if run.recipe.recipe.published]
    by_run = Counter((run.recipe.paper, run.directory) for run in judged)
    assert max(by_run.values()) == 1  # a paper judges no run twice
    leads_to = {(run.recipe, run.seed, run.order): run.directory.name for run in runs}
    for named in recipes:
        for one in read_record(ROOT / "results", named):
            assert leads_to[named, one["seed"], one["order"]] == one["run"], named.name


def test_a_recipe_leads_to_the_authors_settings_and_shares_runs_with_the_plain_command():
    plain, own = wanted(read_recipes([GEM]), [], seeds=2), "gem-mnist_permutations-mlp-ring5120"
    assert [run.directory.name.rpartition("-seed")[0] for run in plain] == [own, own]
    cfg = config_of(["method=gem", "dataset=mnist_permutations", "seed=1"])
    assert plain[1].directory.name == cfg.directory_name()


def test_what_would_change_the_protocol_is_refused():
    check_free(["device.threads=1", "outputs=x", "hydra/launcher=joblib", "checkpoint.every=0"])
    for word in ("dataset.tasks=2", "method.lr=1", "seed=3", "+x=1", "outputs"):
        with pytest.raises(UsageError, match="protocol is kept"):
            check_free([word])
    assert "method" not in FREE


def test_recipes_that_lack_the_same_runs_are_swept_together():
    recipes = read_recipes([GEM, "gem2017/mnist_permutations_single"])
    runs = wanted(recipes, [], seeds=3)
    together = sweeps(runs, ["device=cpu"])
    assert together == [
        ["-m", f"+paper={GEM},gem2017/mnist_permutations_single", "seed=0,1,2", "quiet=true",
         "device=cpu"],
    ]  # fmt: skip
    apart = sweeps([run for run in runs if run.seed or run.recipe.name != GEM], [])
    assert [words[1:3] for words in apart] == [
        [f"+paper={GEM}", "seed=1,2"],
        ["+paper=gem2017/mnist_permutations_single", "seed=0,1,2"],
    ]


def test_orders_of_tasks_are_runs_of_their_own():
    runs = wanted(read_recipes(["apd2020/cifar100_split_apd"]), [])
    assert [(run.seed, run.order) for run in runs] == [(0, order) for order in "ABCDE"]
    assert len({run.directory for run in runs}) == 5
    assert ["dataset.order=C" in words for words in sweeps(runs, [])].count(True) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spread": {"la": 0.1}}, "la is not among the published"),
        ({"trust": None}, "goes with published"),
        ({"trust": "gossip"}, "trust=gossip"),
        ({"publishd": {}}, "did you mean 'published'"),
    ],
)
def test_a_wrong_recipe_is_told_in_one_line(change, message):
    values = {
        "table": "t", "row": "r", "published": {"acc": 0.5}, "spread": {"acc": 0.1},
        "trust": "code", "minutes": 1.0,
    }  # fmt: skip
    check_recipe(values)
    with pytest.raises(UsageError, match=message):
        check_recipe({**values, **change})
