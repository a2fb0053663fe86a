"""What is known of the task, and which choices go together: told before any data is fetched."""

import json

import pytest

from cl_bench import datasets
from cl_bench.config.compose import config_of
from cl_bench.config.pairing import check_pairing, needs
from cl_bench.errors import UsageError

SPLIT = ("dataset=digits_split",)
PERMUTED = ("dataset=digits_permutations",)
FREE = (*PERMUTED, "dataset.task_identity=none")


def known(*arguments):
    return config_of(list(arguments)).dataset["task_identity"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (SPLIT, "test"),
        ((*SPLIT, "dataset.scenario=class"), "train"),
        ((*SPLIT, "dataset.scenario=domain"), "train"),
        ((*SPLIT, "dataset.scenario=domain", "dataset.task_identity=test"), "test"),
        ((*SPLIT, "dataset.scenario=class", "dataset.blur=0.2"), "none"),
        (PERMUTED, "test"),
        (("dataset=mnist_many_permutations",), "test"),
        (("dataset=fashion_rotations",), "test"),
        ((*PERMUTED, "dataset.scenario=class"), "train"),
        ((*PERMUTED, "dataset.blur=0.2"), "none"),
        (FREE, "none"),
        (("dataset=cifar100",), "test"),
    ],
)
def test_the_scenario_alone_gives_an_identity_that_goes_with_it(arguments, expected):
    assert known(*arguments) == expected
    check_pairing(config_of(["method=single", *arguments]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*SPLIT, "dataset.task_identity=train"), "scenario=task means .* known in tests"),
        ((*SPLIT, "dataset.task_identity=none"), "choose dataset.task_identity=test"),
        (
            (*SPLIT, "dataset.scenario=class", "dataset.task_identity=test"),
            "scenario=class means .* unknown in tests, .* choose dataset.task_identity=train",
        ),
        ((*SPLIT, "dataset.blur=0.2"), "without task identity; choose dataset.scenario=class"),
        (
            (*PERMUTED, "dataset.blur=0.2", "dataset.task_identity=train"),
            "leaves no boundaries .* choose dataset.task_identity=none or dataset.blur=0",
        ),
    ],
)
def test_contradictions(arguments, words):
    with pytest.raises(UsageError, match=words):
        check_pairing(config_of(["method=single", *arguments]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("method=gem", *PERMUTED, "dataset.blur=0.2"), "while it learns, .*blur=0.2 .*blur=0,"),
        (("method=ewc", *FREE), "where tasks begin and end"),
        (("method=apd", *SPLIT, "dataset.scenario=class"), "choose dataset.scenario=task"),
        (("method=apd1", *SPLIT, "dataset.scenario=domain"), "choose dataset.task_identity=test"),
        (("method=multimodal", *PERMUTED, "dataset.task_identity=train"), "task in tests"),
        (("method=icarl", *PERMUTED), "split by class, which dataset=digits_permutations"),
        (("method=icarl", *SPLIT, "dataset.scenario=domain"), "dataset.scenario=class or task"),
        (
            (
                "method=er",
                "memory=ring",
                "memory.size=100",
                *FREE,
            ),
            "memory=ring needs .* or memory=reservoir",
        ),
        (
            ("method=er", "method.balance=task", *FREE),
            "method.balance=task needs .* another value of method.balance",
        ),
        (
            (
                "method=single",
                "method.optimizer.schedule=cosine",
                *FREE,
            ),
            "method.optimizer.schedule=cosine needs to know where tasks begin",
        ),
        (("method=er", "memory=exemplars"), "choose memory=.* or memory=reservoir or"),
        (("method=single", "model=multimodal"), "method=multimodal alone"),
    ],
)
def test_pairings_that_cannot_work(arguments, words):
    with pytest.raises(UsageError, match=words) as caught:
        check_pairing(config_of(list(arguments)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("method=er", *FREE),
        ("method=mer", *SPLIT, "dataset.scenario=class", "dataset.blur=0.2"),
        ("method=gem", *SPLIT, "dataset.scenario=class"),
        ("method=icarl", *SPLIT, "dataset.scenario=class"),
        ("method=independent", *SPLIT, "dataset.scenario=domain", "dataset.task_identity=test"),
        # a memory that a method does not use may rely on anything
        (
            "method=single",
            "memory=ring",
            "memory.size=100",
            *PERMUTED,
            "dataset.task_identity=none",
        ),
    ],
)
def test_pairings_that_can(arguments):
    check_pairing(config_of(list(arguments)))


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_nothing_is_fetched_before_it_is_refused(more, inline, monkeypatch, tmp_path):
    def fetched(*arguments):
        raise AssertionError("data was fetched before the pairing was checked")

    monkeypatch.setattr(datasets, "load", fetched)
    code, out, error = inline("method=independent", *SPLIT, "dataset.scenario=class", *more)
    assert (code, out) == (2, "")
    assert error == (
        "cl-bench: method=independent needs to know the task in tests, which "
        "dataset.scenario=class does not allow; choose dataset.scenario=task, or another method "
        "(cl-bench ls methods shows what each needs)\n"
    )
    assert not list(tmp_path.iterdir())


def test_needs_are_words_of_the_vocabulary_written_out(own):
    for name, body in (
        ("odd", 'needs = frozenset({"luck"})'),
        ("hidden", "needs = frozenset(words)"),
        ("broken", "needs = ("),
        ("child", 'needs: frozenset = frozenset({"boundaries"})'),
    ):
        own.write(f"methods/{name}.py", f"class M:\n    {body}\n")
    own.include()
    with pytest.raises(UsageError, match="'luck', which is no word for it; the words are boundar"):
        needs("method", "odd")
    with pytest.raises(UsageError, match=r"method=hidden: needs must be written out in hidden.py"):
        needs("method", "hidden")
    with pytest.raises(UsageError, match=r"broken.py, line 2"):
        needs("method", "broken")
    assert needs("method", "child") == ["boundaries"]


# -- the table of scenarios --------------------------------------------------------------------

METHODS = ("single", "independent", "multimodal")


def accuracy(inline, method, scenario, tmp_path):
    """ACC from the command line, or the sentence with which it refuses."""
    code, out, error = inline(
        f"method={method}", *SPLIT, f"dataset.scenario={scenario}", "device=cpu",
        "device.threads=1", "plots=false", "quiet=true",
    )  # fmt: skip
    if code:
        assert code == 2
        return error
    directory = tmp_path / out.splitlines()[-1]
    assert "dataset.task_identity" not in error
    return json.loads((directory / "metrics.json").read_text())["acc"]


def test_no_baseline_uses_what_the_scenario_forbids(inline, tmp_path):
    """ACC in the scenarios task, class and domain: where the task is unknown in tests, a method
    that needs it is refused, and single's numbers stay what they were."""
    table = {
        (method, scenario): accuracy(inline, method, scenario, tmp_path)
        for method in METHODS
        for scenario in ("task", "class", "domain")
    }
    assert table["single", "task"] > 0.9
    assert table["independent", "task"] > 0.85
    assert table["multimodal", "task"] > 0.9
    assert table["single", "class"] < 0.3
    assert 0.5 < table["single", "domain"] < 0.9
    for method in ("independent", "multimodal"):
        for scenario, cause, remedy in (
            ("class", "dataset.scenario=class", "dataset.scenario=task"),
            ("domain", "dataset.task_identity=train", "dataset.task_identity=test"),
        ):
            assert table[method, scenario] == (
                f"cl-bench: method={method} needs to know the task in tests, which {cause} does "
                f"not allow; choose {remedy}, or another method (cl-bench ls methods shows what "
                "each needs)\n"
            )


@pytest.mark.parametrize("method", ["apd", "packnet", "icarl"])
def test_methods_whose_tasks_may_not_return(method):
    order = ("dataset.order=[0,1,0,2,3,4]", *SPLIT)
    with pytest.raises(
        UsageError, match=r"tasks that do not return, which dataset.order=\[0, 1, 0"
    ):
        check_pairing(config_of([f"method={method}", *order]))
    check_pairing(config_of(["method=gem", *order]))
    check_pairing(config_of([f"method={method}", "dataset.order=[4,3,2,1,0]", *SPLIT]))
