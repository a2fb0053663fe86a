"""MAS on its authors' demo: five tasks of two digits, each with its own head."""

import json

import pytest


@pytest.mark.real_data
def test_mas_keeps_what_fine_tuning_forgets(cli, tmp_path):
    short = ("dataset.samples_per_task=5000", "dataset.batch_size=50", "dataset.epochs=4")
    demo = ("method=mas", "dataset=mnist_split", "method.strength=0,1", "seed=1", *short)
    done = cli("-m", *demo, "device=cpu", "device.threads=1", "plots=false", "quiet=true")
    assert done.returncode == 0, done.stderr
    found = [json.loads((tmp_path / path / "metrics.json").read_text())
             for path in done.stdout.split()]  # fmt: skip
    fine_tuned, mas = found
    assert mas["acc"] >= 0.98
    assert mas["forgetting"] <= 0.015
    assert mas["forgetting"] < fine_tuned["forgetting"] - 0.01
