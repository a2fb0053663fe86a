"""The methods through the command line, on real digits."""

import json
import os
import subprocess
import sys


def cl_bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "cl_bench", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


def test_three_tasks_of_digits_with_every_method(tmp_path):
    done = cl_bench(
        "-m",
        "method=ewc,agem,independent,multimodal",
        "dataset=digits_permutations",
        "dataset.tasks=3",
        "device=cpu",
        "device.threads=1",
        "plots=false",
        "quiet=true",
        f"outputs={tmp_path / 'runs'}",
    )
    assert done.returncode == 0, done.stderr
    found = {path.name.split("-")[0]: path for path in (tmp_path / "runs").iterdir()}
    assert found.keys() == {"ewc", "agem", "independent", "multimodal"}
    for directory in found.values():
        metrics = json.loads((directory / "metrics.json").read_text())
        assert metrics["la"] > 0.5
        assert metrics["parameters"] > 1000
    diagnostics = json.loads((found["agem"] / "diagnostics.json").read_text())
    assert 0 < diagnostics["projections"] <= diagnostics["steps"] == 200


def test_icarl_says_what_it_needs(tmp_path):
    done = cl_bench("method=icarl", "dataset=digits_permutations", f"outputs={tmp_path}")
    assert done.returncode == 2
    assert "split by class" in done.stderr
    assert not list(tmp_path.iterdir())
