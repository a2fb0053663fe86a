"""Real MNIST through the command line: short here, over seeds in `make test-full`."""

import json
import statistics

import pytest


def metrics(cli, tmp_path, *arguments):
    done = cli(*arguments, "-q", "plots=false", env={"OMP_NUM_THREADS": "2"})
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / done.stdout.strip() / "metrics.json").read_text())


@pytest.mark.real_data
def test_gem_keeps_what_single_forgets(cli, tmp_path):
    short = ("dataset=mnist_permutations", "dataset.tasks=5", "memory.size=1280")
    gem = metrics(cli, tmp_path, "method=gem", *short)
    single = metrics(cli, tmp_path, "method=single", *short[:2])
    assert gem["acc"] > 0.78
    assert gem["acc"] - single["acc"] > 0.05
    assert gem["bwt"] > single["bwt"] + 0.05


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "acc", "bwt"),
    [("gem", (0.80, 0.85), (0.0, 0.06)), ("single", (0.55, 0.63), (-0.30, -0.15))],
)
def test_published_bands_over_five_seeds(cli, tmp_path, method, acc, bwt):
    """Lopez-Paz & Ranzato 2017, appendix B, one seed: GEM .826 / +.025, single .602 / -.2085."""
    found = [
        metrics(cli, tmp_path, f"method={method}", "dataset=mnist_permutations", f"seed={seed}")
        for seed in range(5)
    ]
    assert acc[0] < statistics.mean(m["acc"] for m in found) < acc[1]
    assert bwt[0] < statistics.mean(m["bwt"] for m in found) < bwt[1]


@pytest.mark.real_data
@pytest.mark.slow
def test_memory_stays_small(cli, tmp_path):
    found = metrics(cli, tmp_path, "method=gem", "dataset=mnist_permutations")
    assert found["peak_rss_bytes"] < 1.2e9
