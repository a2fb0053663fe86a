"""Settings that go by others: by the algorithm and the size of the memory."""

import pytest

from cl_bench.config.compose import config_of
from cl_bench.config.tables import by
from cl_bench.errors import UsageError
from cl_bench.run.build import choose

SEQUENTIAL = "mnist_sequential"
SIZES = {200: "small", 500: "middle", 5120: "large"}


@pytest.mark.parametrize(
    ("size", "found"),
    [
        (200, "small"), (500, "middle"), (5120, "large"),
        (0, "small"), (1, "small"), (10**9, "large"),
        (316, "small"), (317, "middle"),  # 200 * 500 = 316.2 ** 2
        (1600, "middle"), (1601, "large"),  # 500 * 5120 = 1600 ** 2: equally near
        ("many", "small"), (None, "small"),
    ],
)  # fmt: skip
def test_a_size_takes_the_entry_that_is_nearest_as_a_ratio(size, found):
    assert by(size, SIZES) == found


def test_a_table_in_a_table_and_a_value_for_all_further_keys():
    table = {1: 0.03, 6: SIZES, "none": {1: "x"}}
    assert by(1, 500, table) == 0.03
    assert by(6, 500, table) == "middle"
    assert by("none", 500, table) == "x"
    assert by(1, 2, 3, "all") == "all"


def tuned(*arguments):
    return config_of(list(arguments)).method


@pytest.mark.parametrize(
    ("stream", "size", "found"),
    [
        ("permutations", 200, (0.03, 0.03, 10, 10)),
        ("permutations", 500, (0.03, 0.03, 25, 10)),
        ("permutations", 5120, (0.03, 0.03, 100, 10)),
        ("rotations", 200, (0.1, 0.01, 10, 5)),
        ("rotations", 500, (0.1, 0.01, 10, 10)),
        ("rotations", 5120, (0.03, 0.03, 100, 10)),
        ("many_permutations", 500, (0.03, 0.03, 5, 10)),
        ("many_permutations", 5120, (0.1, 0.01, 5, 10)),
    ],
)
def test_mer_has_its_authors_settings_for_the_memory_that_it_has(stream, size, found):
    method = tuned("method=mer", f"dataset=mnist_{stream}", f"memory.size={size}")
    assert tuple(method[key] for key in ("lr", "beta", "replay", "batches")) == found
    assert (method["gamma"], method["clip"]) == (1.0, None)


def test_mer_has_its_authors_settings_for_its_other_algorithms():
    arguments = ("method=mer", "dataset=mnist_permutations", "memory.size=200")
    sixth = tuned(*arguments, "method.algorithm=6")
    assert [sixth[key] for key in ("lr", "gamma", "replay", "batches")] == [0.1, 0.03, 5, 1]
    seventh = tuned(*arguments, "method.algorithm=7")
    assert [seventh[k] for k in ("lr", "gamma", "replay", "multiplier")] == [0.03, 0.1, 5, 2.0]


def test_what_is_set_by_hand_takes_the_place_of_the_table():
    method = tuned("method=mer", "dataset=mnist_permutations", "memory.size=200", "method.replay=7")
    assert (method["replay"], method["lr"]) == (7, 0.03)


def test_er_goes_by_its_balance():
    arguments = ("method=er", "dataset=mnist_rotations", "memory.size=500")
    assert [tuned(*arguments)[key] for key in ("lr", "replay")] == [0.1, 5]
    by_task = tuned(*arguments, "method.balance=task")
    assert [by_task[key] for key in ("lr", "replay")] == [0.01, 100]


def test_the_examples_are_mnist_s_settings():
    assert tuned("method=mer", "dataset=digits_permutations")["replay"] == 10
    assert tuned("method=mer", "dataset=fashion_permutations")["replay"] == 100
    assert tuned("method=er", "dataset=digits_permutations")["replay"] == 10
    assert config_of(["method=er", "dataset=digits_permutations"]).memory["size"] == 200


@pytest.mark.parametrize(
    ("size", "er", "der", "derpp"),
    [
        (200, (0.01, 10), (0.03, 0.2, 10), (0.03, 0.2, 1.0, 128)),
        (500, (0.1, 10), (0.03, 1.0, 128), (0.03, 1.0, 0.5, 10)),
        (5120, (0.1, 10), (0.1, 0.5, 128), (0.1, 0.2, 0.5, 64)),
    ],
)
def test_der_s_table_on_sequential_mnist(size, er, der, derpp):
    stream = ("dataset=mnist_sequential", f"memory.size={size}")
    for method, keys, found in (
        ("er", ("lr", "replay"), er),
        ("der", ("lr", "alpha", "replay"), der),
        ("derpp", ("lr", "alpha", "beta", "replay"), derpp),
    ):
        settings = tuned(f"method={method}", *stream)
        assert tuple(settings[key] for key in keys) == found


@pytest.mark.parametrize(
    ("arguments", "clip", "replay"),
    [(["dataset=cifar100"], 10.0, 25), (["dataset=mnist_split", "memory.size=200"], 2.0, 10)],
)
def test_mer_on_tasks_of_classes_is_clipped_as_la_maml_s_code_does_it(arguments, clip, replay):
    cfg = config_of(["method=mer", *arguments])
    assert (cfg.method["clip"], cfg.method["replay"]) == (clip, replay)
    assert (cfg.memory["size"], cfg.dataset["batch_size"]) == (200, 1)


def test_a_key_that_cannot_be_right_is_refused_by_whoever_checks_it():
    with pytest.raises(UsageError, match=r"memory\.size=abc: should be a valid integer"):
        choose(config_of(["method=mer", "memory.size=abc"]))
    with pytest.raises(UsageError, match="takes keys and a table"):
        config_of(["method=mer", "method.lr=${by:1}"])


@pytest.mark.parametrize(
    ("method", "stream", "recipe"),
    [
        *((m, SEQUENTIAL, f"der2020/{SEQUENTIAL}_{m}_{{}}") for m in ("fdr", "hal", "gss", "gem")),
        *((m, SEQUENTIAL, f"der2020/{SEQUENTIAL}_{m}") for m in ("lwf", "joint", "si")),
        *((m, "mnist_rotations", f"lamaml2020/mnist_rotations_{m}") for m in ("lamaml", "sync")),
        ("cmaml", "mnist_many_permutations", "lamaml2020/mnist_many_permutations_cmaml"),
    ],
)  # fmt: skip
def test_a_pair_is_what_its_recipe_is(method, stream, recipe):
    for size in (200, 5120) if "{" in recipe else (None,):
        words = [] if size is None else [f"memory.size={size}"]
        pair = config_of([f"method={method}", f"dataset={stream}", *words])
        found = config_of([f"+paper={recipe.format(size)}"])
        for section in ("method", "dataset", "memory"):  # the network is the same for all methods
            assert getattr(pair, section) == getattr(found, section)
