import numpy as np
import pytest

from cl_bench import metrics
from cl_bench.errors import UsageError
from cl_bench.metrics.base import AS_IS, Digits, Measured, form, metric, size

MATRIX = np.array([[0.1, 0.2], [0.9, 0.25], [0.6, 0.8]])


def test_a_function_in_a_file_of_the_room_is_a_metric(own):
    own.write(
        "metrics/mine.py",
        """
from cl_bench.metrics.base import metric

@metric("best", "accuracy on the best task", better=1)
def best_task(run):
    return run.matrix[-1].max()
""",
    )
    assert "best_task" not in metrics.known()
    own.include()
    assert metrics.compute(Measured(MATRIX))["best_task"] == 0.8
    assert metrics.find("best_task").heading == "best"


def test_a_metric_that_fails_is_told_and_costs_nothing_else(own, caplog):
    own.write(
        "metrics/mine.py",
        "from cl_bench.metrics.base import metric\n\n"
        '@metric("odd", "fails")\ndef odd(run):\n    return 1 / 0\n',
    )
    own.include()
    values = metrics.compute(Measured(MATRIX))
    assert values["odd"] is None
    assert values["acc"] == 0.7
    assert "metrics/mine.py, line 5: ZeroDivisionError" in caplog.text
    own.write(
        "metrics/mine.py",
        "from cl_bench.metrics.base import metric\n\n"
        '@metric("my ACC", "mine")\ndef acc(run):\n    return 0.0\n',
    )
    own.include()
    with pytest.raises(UsageError, match=r"mine.py, line 3: there is a metric acc already"):
        metrics.known()


def test_each_is_called_and_explained_once():
    found = [*metrics.known().values()]
    assert len({m.heading for m in found}) == len(found)
    for one in found:
        assert one.meaning
        assert len(one.meaning) <= 50  # a line of the terminal, with heading and value
        assert len(one.heading) <= 16


def test_what_was_counted_is_kept_beside_what_is_computed():
    counted = {"parameters": 7, "capacity": 1.5, "samples": 30, "acc": 0.3, "own": 2.0}
    values = metrics.compute(Measured(MATRIX, counted))
    assert values["acc"] == pytest.approx(0.7)  # computed, whatever was recorded
    assert (values["parameters"], values["capacity"]) == (7, 1.5)
    assert (values["samples"], values["own"]) == (30, 2.0)
    assert "peak_gpu_bytes" not in values
    assert metrics.find("own").heading == "own"


def test_where_the_matrix_is_known_in_part_the_record_stands():
    partly = MATRIX.copy()
    partly[1, 1] = np.nan
    values = metrics.compute(Measured(partly, {"fwt": 0.05, "forgetting": 0.3}))
    assert values["acc"] == pytest.approx(0.7)
    assert values["fwt"] == 0.05
    # no stale number where the whole matrix says that there is none
    assert metrics.compute(Measured(np.array([[0.1], [0.7]]), {"bwt": 0.3}))["bwt"] is None


def test_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="accuracy matrix"):
        Measured(MATRIX[1:])


def test_a_value_is_printed_by_its_unit():
    acc, memory = metrics.find("acc"), metrics.find("memory_bytes")
    assert form(acc, 0.5) == "0.5000"
    assert form(acc, 0.5, 0.012) == "0.5000 ± 0.0120"
    assert form(acc, 0.5, 0.012, Digits(percent=True, digits=1)) == "50.0 ± 1.2"
    assert form(acc, 0.05, None, AS_IS, sign=True) == "+0.0500"
    assert form(acc, None) == form(acc, float("nan")) == "–"
    assert form(memory, 2048.0, 3.0) == "2.0 KiB"
    assert form(metrics.find("seconds_total"), 3.14, 0.2) == "3.1 ± 0.2"
    assert form(metrics.find("parameters"), 12345.0) == "12,345"
    assert size(5) == "5 B"


def test_the_function_s_name_is_the_key():
    @metric("H", "means", better=-1)
    def some_key(run):
        return None

    assert (some_key.key, some_key.better, some_key.kind) == ("some_key", -1, "accuracy")
