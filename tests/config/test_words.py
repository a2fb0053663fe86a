"""Python values come out of Hydra's grammar as they went in."""

from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from cl_bench.config.words import swept_words, words_of


@pytest.mark.parametrize(
    "value",
    [
        0, -3, 1e-30, 0.5, True, False, None, "gem", "null", "true", "12", "", "a b", "it's",
        'say "x"', "back\\slash", "ends with \\", "back\\'quote", "a,b", "x=y", "[1]", "/tmp/a b/ü",
        [1, 2], [], ["a b", None], {"size": 32, "grey": True},
    ],
)  # fmt: skip
def test_a_value_is_read_back(value):
    (word,) = words_of({"key": value})
    override = OverridesParser.create().parse_override(word)
    assert override.value() == value or str(override.value()) == value


def test_paths_and_numbers_of_numpy():
    words = words_of({"a": Path("x/y"), "b": np.float32(0.5), "c": np.arange(2)})
    assert words == ["a=x/y", "b=0.5", "c=[0, 1]"]


def test_lists_are_swept_over():
    options = {"method": ["gem", "er"], "seed": range(2), "model.hidden": [[5], [6, 7]], "lr": 0.1}
    assert swept_words(options) == [
        "method=gem,er", "seed=0,1", "model.hidden=[5],[6, 7]", "lr=0.1",
    ]  # fmt: skip
