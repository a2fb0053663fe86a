import pytest

from cl_bench.config.recipe import Named, check_recipe, read_recipes
from cl_bench.report.statistics import spread
from cl_bench.reproduce.markdown import number, paper_page, with_spread
from cl_bench.reproduce.variants import variants_page
from cl_bench.reproduce.verdict import against, judge, values


def named(**changes):
    recipe = {
        "table": "t", "row": "r", "published": {"acc": 0.8}, "spread": {"acc": 0.01},
        "trust": "code", "minutes": 1.0, **changes,
    }  # fmt: skip
    return Named("p", "r", check_recipe(recipe))


def runs(*accs, order=None, tasks=(), final=()):
    return [
        {
            "seed": i,
            "order": order,
            "metrics": {"acc": acc},
            "tasks": tasks,
            "final": final,
            "environment": {},
            "diverged": False,
        }
        for i, acc in enumerate(accs)
    ]


def verdict(recipe, *accs):
    (line,) = judge(recipe, runs(*accs))
    return line.verdict


def test_inside_and_outside_by_the_mean():
    assert verdict(named(), 0.79, 0.85) == "inside"  # mean 0.82
    assert verdict(named(), 0.79, 0.86) == "outside"  # mean 0.825
    (line,) = judge(named(), runs(0.79, 0.85))
    assert line.difference == pytest.approx(0.02)
    assert line.ours.n == 2


def test_an_unverified_number_is_an_indicator_only():
    recipe = named(trust="memory")
    assert verdict(recipe, 0.8) == "indicator only (inside)"
    assert verdict(recipe, 0.7) == "indicator only (outside)"


def test_what_was_not_run_says_how_long_it_takes():
    assert verdict(named(minutes=47)) == "not run: 47 min a run"
    assert verdict(named(minutes=150)) == "not run: 2.5 h a run"
    assert verdict(named(minutes=150), 0.8) == "inside"


@pytest.mark.parametrize(
    ("metric", "spread", "tolerance"),
    [
        ("acc", {"acc": 0.03}, 0.06),  # twice the spread
        ("acc", {"acc": 0.004}, 0.02),  # at least
        ("bwt_authors_code", {"bwt_authors_code": 0.004}, 0.04),
        ("bwt_authors_code", {}, 0.05),  # none is known
        ("capacity", {}, 0.3),
    ],
)
def test_a_tolerance_follows_from_the_spread(metric, spread, tolerance):
    recipe = named(published={metric: 0.8}, spread=spread).recipe
    assert recipe.tolerance(metric) == pytest.approx(tolerance)
    assert recipe.tolerance("la") is None


def test_a_tolerance_as_wide_as_the_value_judges_nothing():
    assert verdict(named(published={"acc": 0.08}, spread={}), 0.09) == "indicator only (inside)"
    assert verdict(named(published={"acc": -0.1}, spread={}), -0.2) == "outside"


def test_a_value_of_another_protocol_is_shown_and_not_judged():
    recipe = named(differs="theirs has other images")
    assert verdict(recipe, 0.7) == "another protocol"
    page = paper_page("p", [recipe], {"p/r": runs(0.7)}, "")
    assert "| r [1] | ACC | 0.800 | 0.700 (1) |" in page
    assert "[1] theirs has other images" in page


def test_without_a_published_number_accuracy_is_shown():
    recipe = named(published={}, spread={}, trust=None)
    (line,) = judge(recipe, runs(0.5))
    assert (line.metric, line.verdict, line.difference) == ("acc", "no published number", None)


def test_disparity_is_over_orders_and_by_task():
    found = [
        *runs(0.5, order="A", tasks=["x", "y"], final=[0.5, 0.6]),
        *runs(0.5, order="B", tasks=["y", "x"], final=[0.9, 0.4]),
    ]
    assert values(found, "mopd", ["A", "B"]) == [pytest.approx(0.3)]
    assert values(found, "aopd", ["A", "B"]) == [pytest.approx(0.2)]
    assert values(found, "mopd", ["A", "B", "C"]) == []  # a maximum over fewer would flatter


def test_variants_are_compared_seed_by_seed():
    difference = against(runs(0.5, 0.7, 0.9), runs(0.4, 0.5))
    assert (difference.n, difference.mean) == (2, pytest.approx(0.15))
    assert against([], runs(0.4)) is None


def test_numbers_as_the_pages_print_them():
    assert number(-0.1651) == "−0.165"
    assert number(0.0312, sign=True) == "+0.031"
    assert number(-0.0001, sign=True) == "0.000"
    assert number(None) == "–"
    assert with_spread(spread([0.8, 0.9])) == "0.850 ± 0.071 (2)"
    assert with_spread(spread([0.8])) == "0.800 (1)"


def test_a_variant_stands_below_what_it_is_compared_with():
    names = ["gem_bound_permutations", "gem_cursor_permutations"]
    recipes = read_recipes([f"variants/{name}" for name in names])
    everything = {
        "variants/gem_bound_permutations": runs(0.80, 0.82, 0.85),
        "variants/gem_cursor_permutations": runs(0.81, 0.84, 0.86),
    }
    page = variants_page(recipes, everything, "Why it matters.")
    assert "Why it matters." in page
    table = page[page.index("## GEM's ring") :].splitlines()[4:6]
    assert table[0].startswith("| margin bounds v from below (authors' code) | 0.823 ±")
    assert table[1].startswith("| one cursor for all tasks")
    assert "| +0.013 [−0.001, +0.028] |" in table[1]


def test_runs_that_diverged_are_counted_and_not_averaged():
    lost = [{**run, "seed": 9, "metrics": {}, "diverged": True} for run in runs(0.0)]
    (line,) = judge(named(), runs(0.79, 0.81) + lost)
    assert (line.verdict, with_spread(line.ours, line.diverged)) == (
        "inside", "0.800 ± 0.014 (2, 1 diverged)",
    )  # fmt: skip
    (line,) = judge(named(), lost)
    assert (line.verdict, with_spread(line.ours, line.diverged)) == ("diverged", "– (1 diverged)")
