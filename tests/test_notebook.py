"""The notebook of docs/, executed from top to bottom without a browser."""

import os

import pytest
from conftest import ROOT, environment

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (the extra test)")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (the extra test)")
pytest.importorskip("ipykernel", reason="ipykernel is not installed (the extra test)")


def outputs(cell, kind):
    return [out["data"][kind] for out in cell.outputs if kind in out.get("data", {})]


def test_the_notebook_runs_and_shows_what_it_says(tmp_path, monkeypatch):
    for key, value in environment().items():
        monkeypatch.setitem(os.environ, key, value)
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "keep it without outputs"
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=where).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    run, numbers, sweep, loaded, report, plot, mistake = code
    assert "background:rgb(" in outputs(run, "text/html")[0]  # the matrix in colours
    assert "ACC" in outputs(run, "text/html")[0]
    assert "(5, 4)" in numbers.outputs[0].text
    assert outputs(sweep, "text/html")[0].count("<tr") == 7  # six runs and the head
    assert all(name in outputs(loaded, "text/html")[0] for name in ("gem", "er", "single"))
    assert "Accuracy" in outputs(report, "text/html")[0]
    assert outputs(plot, "image/png")
    assert "did you mean 'gem'" in mistake.outputs[0].text
    # quiet: a display or a line of its own, and nothing on stderr
    for cell in (run, sweep, loaded, report):
        assert [out.output_type for out in cell.outputs] == ["execute_result"], cell.outputs
