"""Numbers as targets: what the matrix is called, and what is refused with its reason."""

import numpy as np
import pytest
from small_runs import METHODS

from cl_bench import metrics
from cl_bench.config.choices import choices, implementation
from cl_bench.config.compose import config_of
from cl_bench.config.pairing import check_pairing, needs
from cl_bench.config.target import ACCURACY, EITHER, R2, measure_of, together
from cl_bench.errors import UsageError
from cl_bench.metrics.base import as_told

NUMBERS = ("dataset=digits_angles", "dataset.task_identity=test")


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        check_pairing(config_of([*words]))
    return str(caught.value)


def test_the_measure_is_that_of_the_target():
    assert measure_of({"name": "mnist_split"}) is ACCURACY  # recorded before there was a choice
    assert measure_of({"target": "classes"}) is ACCURACY
    assert measure_of({"target": "regression"}) is R2
    assert measure_of(None) is ACCURACY


def test_several_runs_have_one_measure_or_either():
    assert together([R2, R2]) is R2
    assert together([ACCURACY]) is together([]) is ACCURACY
    assert together([ACCURACY, R2]) is EITHER


def test_accuracies_lie_in_0_to_1_and_r2_has_no_least_value():
    values = np.array([-7.0, 0.0, 1.0, 1.5, np.nan, np.inf, -np.inf])
    assert ACCURACY.among(values).tolist() == [False, True, True, False, False, False, False]
    assert R2.among(values).tolist() == [True, True, True, False, False, False, False]


def test_metrics_are_named_by_what_the_matrix_holds():
    acc = as_told(metrics.find("acc"), R2)
    assert (acc.heading, acc.meaning) == ("R²", "mean R² after the last task")
    assert as_told(metrics.find("acc"), EITHER).heading == "ACC or R²"
    assert as_told(metrics.find("bwt"), R2).heading == "BWT"
    for metric in metrics.of_kind("accuracy", "order"):
        told = as_told(metric, R2)
        assert "accuracy" not in told.meaning
        assert "ACC" not in told.heading
        assert told.of is metric.of
        assert as_told(metric, ACCURACY) == metric


@pytest.mark.parametrize("method", METHODS)
def test_methods_that_need_classes_are_refused_in_one_sentence(method):
    words = [*NUMBERS, f"method={method}"]
    words += ["model=multimodal"] if method == "multimodal" else []
    cfg = config_of(words)
    if "classes" not in needs("method", implementation("method", method)):
        check_pairing(cfg)
        return
    assert refusal(*words) == (
        f"method={method} needs targets that are classes, which dataset.target=regression does not "
        "allow; choose a dataset with classes, such as mnist_split, or another method (cl-bench ls "
        "methods shows what each needs)"
    )


def test_which_methods_need_classes():
    found = {m for m in METHODS if "classes" in needs("method", implementation("method", m))}
    apd = {"apd", "apd1", "apd-fixed"}
    assert found == {"icarl", "lwf", "gdumb", "fdr", "hal", "er_ace", *apd}


@pytest.mark.parametrize("memory", ["balanced", "class_ring"])
def test_memories_by_class_are_refused(memory):
    assert refusal(*NUMBERS, "method=er", f"memory={memory}") == (
        f"memory={memory} needs targets that are classes, which dataset.target=regression does not "
        "allow; choose a dataset with classes, such as mnist_split, or memory=reservoir"
    )


def test_class_means_are_refused():
    assert refusal(*NUMBERS, "method=mas", "model=embedding") == (
        "model=embedding needs targets that are classes, which dataset.target=regression does not "
        "allow; choose a dataset with classes, such as mnist_split, or model=mlp"
    )


@pytest.mark.parametrize("fisher", ["weighted", "exact"])
def test_a_fisher_over_classes_is_refused(fisher):
    told = refusal(*NUMBERS, "method=ewc", f"method.fisher={fisher}")
    assert told.startswith(f"method.fisher={fisher} needs targets that are classes, which")
    assert told.endswith("or another value of method.fisher")


def test_what_a_stream_is_not_for():
    assert refusal("method=single", "dataset=digits_split", "+dataset.target=regression") == (
        "dataset.target=regression needs numbers as targets, dataset=digits_split has classes; "
        "choose dataset=digits_angles, mnist_angles, diabetes_age or npz_regression, or "
        "dataset.target=classes"
    )
    assert refusal("method=single", "dataset=digits_angles", "dataset.target=classes") == (
        "dataset=digits_angles has numbers as targets, which dataset.target=classes cannot learn; "
        "set dataset.target=regression"
    )
    assert refusal("method=single", "dataset=digits_angles", "dataset.scenario=class") == (
        "dataset.scenario=class is about classes, and dataset.target=regression has none; choose "
        "dataset.scenario=domain"
    )


def test_every_stream_of_numbers_is_named_in_the_refusal():
    import yaml

    from cl_bench.config.choices import files
    from cl_bench.config.target import WITH_NUMBERS

    named = WITH_NUMBERS.replace(" or ", ", ").split(", ")
    assert set(named) <= set(choices("dataset"))
    for name, (_, path) in files("dataset").items():
        target = yaml.safe_load(path.read_text()).get("target")
        assert (target == "regression") <= (name in named)
