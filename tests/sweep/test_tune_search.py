import pytest

from cl_bench.errors import UsageError
from cl_bench.sweep.tune_search import Grid, Optuna

SPACE = {
    "method.lr": "method.lr=tag(log,interval(0.001,1))",
    "method.replay": "method.replay=range(1,10,3)",
    "memory.size": "memory.size=int(interval(100,200))",
    "method.draw": "method.draw=a,b",
}


def proposals(score, trials=8, space=SPACE):
    search, scores, found = Optuna(space, trials), [], []
    for setting in search.settings(scores):
        found.append(setting)
        scores.append(score(dict(word.split("=") for word in setting)))
    return found


def test_a_grid_is_all_combinations_in_their_order():
    grid = Grid({"a": "a=1,2", "b": "b=range(3)"})
    assert grid.samples[:4] == [("a=1", "b=0"), ("a=1", "b=1"), ("a=1", "b=2"), ("a=2", "b=0")]
    assert grid.values == {"a": ["1", "2"], "b": ["0", "1", "2"]}
    assert [grid.edge("b", value) for value in "012"] == ["smallest", "", "largest"]
    assert not Grid({"a": "a=x,y"}).edge("a", "x")
    assert not Grid({"a": "a=choice(1)"}).edge("a", "1")


def test_proposals_lie_in_the_space():
    for setting in proposals(lambda values: 0.0):
        values = dict(word.split("=") for word in setting)
        assert 0.001 <= float(values["method.lr"]) <= 1
        assert values["method.replay"] in ("1", "4", "7")
        assert 100 <= int(values["memory.size"]) <= 200
        assert values["method.draw"] in ("a", "b")


def test_the_same_results_lead_to_the_same_proposals_and_others_to_others():
    def near(values):
        return -abs(float(values["method.lr"]) - 0.002)

    space = {"method.lr": SPACE["method.lr"]}
    first = proposals(near, 30, space)
    assert proposals(near, 30, space) == first
    assert proposals(lambda values: float(values["method.lr"]), 30, space) != first
    close = [float(word.partition("=")[2]) < 0.006 for (word,) in first]
    assert sum(close[-10:]) > sum(close[:10])  # it has learned where to look


def test_failed_runs_do_not_stop_a_search():
    assert len(proposals(lambda values: float("-inf"), 12)) == 12


def test_near_the_end_of_an_interval_is_an_edge():
    search = Optuna(SPACE, 3)
    assert search.edge("method.lr", "0.0011") == "smallest"
    assert search.edge("method.lr", "0.9") == "largest"
    assert search.edge("method.lr", "0.5") == ""
    assert search.edge("method.replay", "7") == "largest"
    assert search.edge("method.draw", "a") == ""


@pytest.mark.parametrize("word", ["interval(1,0.1)", "tag(log,interval(0,1))", "range(1,2)"])
def test_an_interval_that_is_none_is_refused(word):
    with pytest.raises(UsageError, match="needs two ends"):
        Optuna({"a": f"a={word}"}, 3)
