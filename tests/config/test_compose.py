"""A stream that the command line names in place of the one that a dataset's YAML names."""

import pytest

from cl_bench.config.compose import config_of
from cl_bench.errors import UsageError
from cl_bench.run.build import prepare

OWN = ("method=single", "dataset=digits_split", "dataset.scenario=domain", "dataset.tasks=2")


@pytest.mark.parametrize(
    "words", [OWN, ("+paper=apd2020/cifar100_split_apd1",)], ids=["", "recipe"]
)
def test_what_the_yaml_says_to_its_own_stream_goes_with_it(words):
    other = config_of(["method=single", "dataset=digits_permutations"]).dataset
    found = config_of([*words, "dataset.stream=permutations"]).dataset
    assert found["stream"] == "permutations"
    assert set(found) == set(other)


def test_what_is_set_beside_it_is_not_taken_away():
    with pytest.raises(UsageError, match=r"^dataset\.split: no such option \(options: name, "):
        prepare(config_of([*OWN, "dataset.stream=permutations", "dataset.split=classes"]))


def test_what_the_other_stream_wants_is_asked_for_once():
    with pytest.raises(UsageError) as refused:
        prepare(config_of([*OWN, "dataset.stream=rotations", "dataset.min_degrees=0"]))
    assert str(refused.value) == (
        "dataset.max_degrees: is missing; give it a value; dataset.sampling: is missing; give it "
        "a value"
    )


def test_the_options_that_there_are_are_told_once():
    with pytest.raises(UsageError) as refused:
        prepare(config_of([*OWN, "dataset.aa=1", "dataset.bb=1"]))
    assert str(refused.value).count("(options: ") == 1
    assert "dataset.bb: no such option" in str(refused.value)


def test_no_stream_of_that_name():
    with pytest.raises(UsageError, match=r"^stream=perm: is no choice; choose from .*turning$"):
        config_of([*OWN, "dataset.stream=perm"])


@pytest.mark.parametrize("streams", ["permutations", "choice(permutations)"])
def test_a_sweep_on_another_stream(inline, streams):
    small = ("dataset.samples_per_task=20", "device.threads=1", "plots=false")
    code, out, err = inline("-m", *OWN, f"dataset.stream={streams}", "seed=0,1", *small)
    assert code == 0, err
    assert "2 runs" in out


def test_a_sweep_on_no_stream(inline):
    code, _, err = inline("-m", *OWN, "dataset.stream=perm,permutations", "seed=0,1")
    assert code == 2
    assert err.rstrip().endswith("turning")
