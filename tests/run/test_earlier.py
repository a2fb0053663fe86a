"""Runs that version 0.1.0 left are read as they were meant."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

RUNS = Path(__file__).parent / "of_version_0_1"
METHODS = ("apd", "icarl", "independent", "mas", "mer")


@pytest.mark.parametrize("method", METHODS)
def test_a_model_of_version_0_1_predicts_as_it_did(tmp_path, inline, method):
    shutil.copytree(RUNS / method, tmp_path / method)
    images = np.rint(load_digits().images[:300] * 255 / 16).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", x=images)
    code, _, err = inline("predict", method, "digits.npz")
    assert code == 0, err
    found = np.load(tmp_path / "predictions.npz")["y"]
    assert found.tolist() == np.loadtxt(RUNS / method / "predictions.txt", dtype=int).tolist()


def test_a_run_that_would_be_refused_today_is_read_as_it_was_made(tmp_path, inline):
    """Version 0.1.0 told the task in every scenario."""
    shutil.copytree(RUNS / "independent", tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    assert "task_identity" not in config.read_text()
    config.write_text(config.read_text().replace("scenario: domain", "scenario: class"))
    assert "scenario: class" in config.read_text()
    images = np.rint(load_digits().images[:300] * 255 / 16).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", x=images)
    code, _, err = inline("predict", "run", "digits.npz")
    assert code == 0, err
    found = np.load(tmp_path / "predictions.npz")["y"]  # every task has all classes
    expected = np.loadtxt(RUNS / "independent" / "predictions.txt", dtype=int)
    assert found.tolist() == expected.tolist()
    code, out, err = inline("report", "run", "--format", "csv", "--by", "dataset.task_identity")
    assert code == 0, err
    assert "test" in out


def test_a_report_over_runs_of_version_0_1(tmp_path, inline):
    shutil.copytree(RUNS, tmp_path / "outputs")
    code, out, err = inline("report", "outputs", "--format", "csv")
    assert code == 0, err
    assert all(method in out for method in METHODS)


def test_a_run_of_version_0_1_forgets_a_task(tmp_path, inline):
    shutil.copytree(RUNS / "apd", tmp_path / "apd")
    code, out, err = inline("forget", "apd", "task=2")
    assert code == 0, err
    assert "forgot task 2" in out
