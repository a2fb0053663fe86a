import pytest
from pydantic import Field

from cl_bench.config import schema
from cl_bench.errors import UsageError


class Options(schema.Settings):
    rate: float = Field(gt=0)
    steps: int
    rule: str


GOOD = {"rate": 0.1, "steps": 3, "rule": "a"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rate": -1.0}, "method.rate=-1.0: should be greater than 0"),
        ({"rate": "fast"}, "method.rate=fast: should be a valid number"),
        ({"rate": float("nan")}, "method.rate=nan: should be a finite number"),
        ({"steps": 2.5}, "method.steps=2.5: should be a valid integer"),
        ({"steps": True}, "method.steps=True: should be a valid integer"),
        ({"stepz": 1}, "method.stepz: no such option; did you mean 'steps'?"),
    ],
)
def test_a_mistake_is_one_sentence(change, sentence):
    with pytest.raises(UsageError) as error:
        schema.check({**GOOD, **change}, Options, "method")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_value_is_named():
    with pytest.raises(UsageError, match=r"method\.rule: is missing"):
        schema.check({"rate": 0.1, "steps": 3}, Options, "method")


def run_config(**changes):
    values = {
        "method": {"name": "single", "lr": 0.1},
        "dataset": {"name": "d"},
        "model": {"name": "m"},
        "memory": {"name": "none"},
        "device": {"name": "cpu", "threads": None},
        "checkpoint": {"every": 60, "keep": False},
        "seed": 0,
        "outputs": "outputs",
        "force": False,
        "quiet": False,
        "plots": True,
    }
    return schema.check_run({**values, **changes})


def test_fingerprint_follows_what_determines_the_result():
    base = run_config().fingerprint()
    assert run_config(seed=1).fingerprint() != base
    assert run_config(method={"name": "single", "lr": 0.2}).fingerprint() != base
    same = run_config(
        outputs="elsewhere", quiet=True, force=True, device={"name": "auto", "threads": 2}
    )
    assert same.fingerprint() == base


def test_a_memory_size_means_nothing_without_a_memory():
    sizes = [run_config(memory={"name": "none", "size": size}) for size in (200, 5120)]
    assert sizes[0].directory_name() == sizes[1].directory_name()


@pytest.mark.parametrize("name", ["../etc", "a/b", "", "x y"])
def test_a_name_cannot_leave_the_outputs(name):
    with pytest.raises(UsageError, match=r"method\.name"):
        run_config(method={"name": name, "lr": 0.1})
