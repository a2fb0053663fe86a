"""Runs and reports as data frames; results as notebooks and rich show them."""

import io

import pytest
from rich.console import Console

import cl_bench

pytestmark = pytest.mark.xdist_group("tables")  # its fixture is made once

SHORT = {
    "dataset": "digits_permutations", "dataset.tasks": 2, "dataset.samples_per_task": 60,
    "model.hidden": [[12]], "plots": False, "device.threads": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    place = tmp_path_factory.mktemp("swept") / "outputs"
    cl_bench.sweep(method=["single", "er"], seed=range(3), jobs=1, outputs=place, **SHORT)
    return place


def test_load_has_a_row_for_each_run(outputs):
    found = cl_bench.load(outputs)
    assert len(found) == 6
    assert list(found.columns[:5]) == ["directory", "state", "problem", "time", "seed"]
    assert sorted(found["method.name"].unique()) == ["er", "single"]
    means = found.groupby("method.name")["acc"].mean()
    for name, acc in means.items():
        runs = [cl_bench.Result(d) for d in found["directory"][found["method.name"] == name]]
        assert acc == pytest.approx(sum(run.metrics["acc"] for run in runs) / 3)


def test_load_keeps_what_is_not_finished(outputs, tmp_path):
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "status.json").write_text('{"state": "interrupted"}')
    found = cl_bench.load(tmp_path, outputs)
    assert len(found) == 7
    (half,) = found[found["problem"].notna()].to_dict("records")
    assert half["state"] == "interrupted"
    assert "interrupted before the end" in half["problem"]
    with pytest.raises(cl_bench.RunError, match="is not a directory; name one that holds runs"):
        cl_bench.load(tmp_path / "nothing")


def test_report_has_the_tables_and_their_numbers(outputs):
    tables = cl_bench.report(outputs, baseline="method=single", sort="acc", percent=True)
    accuracy = next(table for title, table in tables.items() if title.startswith("Accuracy"))
    assert len(accuracy) == 2
    frame = tables.frame.set_index("method.name")
    loaded = cl_bench.load(outputs).groupby("method.name")["acc"].mean()
    assert frame["acc_mean"].to_dict() == pytest.approx(loaded.to_dict())
    (difference,) = tables.differences["acc_mean"]
    assert difference == pytest.approx(loaded["er"] - loaded["single"])
    shown = tables._repr_html_()
    assert shown.count("<table") == len(tables)
    assert f"{100 * loaded['er']:.2f}" in shown
    assert tables.left_out.empty
    with pytest.raises(cl_bench.UsageError, match="akk: no such metric"):
        cl_bench.report(outputs, metrics=["akk"])


def printed(thing, width=100):
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    return console.file.getvalue()


def test_rich_and_notebooks_show_a_result(outputs):
    result = cl_bench.Result(cl_bench.load(outputs)["directory"][0])
    text, page = printed(result), result._repr_html_()
    for told in (text, page):
        assert "untrained" in told
        assert f"{result.metrics['acc']:.4f}" in told
    assert page.count("<td") == result.matrix.size
    assert f">{100 * result.matrix[2, 1]:.0f}</td>" in page


def test_rich_shows_a_report(outputs):
    text = printed(cl_bench.report(outputs))
    assert "er" in text
    assert "Accuracy" in text
