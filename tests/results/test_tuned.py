import json

import pytest

from cl_bench.files.untrusted import Damaged
from cl_bench.results.tuned import FILE, Tuned, read_tuned, write_tuned

TUNED = Tuned(
    stream="digits_permutations",
    reserved=3,
    metric="acc",
    seeds=[1000, 1001],
    runs=6,
    failed=1,
    values={"method.lr": ["0.1", "0.3", "1"]},
    chosen={"method.lr": "0.3"},
)


def test_the_sentence_says_where_by_what_and_what_it_took():
    assert TUNED.sentence() == (
        "tuned on the first 3 tasks of digits_permutations by ACC over 2 seeds, 6 runs "
        "(1 failed): method.lr=0.3 of 0.1, 0.3, 1"
    )
    edge = TUNED.model_copy(update={"reserved": 1, "failed": 0, "edges": ["method.lr"]})
    assert edge.sentence().startswith("tuned on the first task of")
    assert edge.sentence().endswith("; method.lr at the edge of what was tried")


def test_of_numbers_the_choice_is_made_by_r2():
    told = TUNED.model_copy(update={"target": "regression"}).sentence()
    assert "by R² over 2 seeds" in told


def test_it_is_read_as_it_was_written(tmp_path):
    assert read_tuned(tmp_path) is None
    write_tuned(tmp_path, TUNED)
    assert read_tuned(tmp_path) == TUNED


@pytest.mark.parametrize(
    "change", [{"runs": 0}, {"seeds": "1000"}, {"more": 1}, {"chosen": {"method.lr": 0.3}}]
)
def test_what_it_cannot_be_is_damaged(tmp_path, change):
    (tmp_path / FILE).write_text(json.dumps(TUNED.model_dump() | change))
    with pytest.raises(Damaged, match=r"tuned\.json: "):
        read_tuned(tmp_path)


def test_words_of_others_cannot_steer_a_terminal():
    assert "\x1b" not in TUNED.model_copy(update={"stream": "a\x1b[2J"}).sentence()
