"""The package as it is installed: from a wheel, in an environment of its own."""

import os
import subprocess
import sys
import venv
import zipfile

import pytest
from conftest import ROOT

SHORT = ("dataset=digits_permutations", "dataset.tasks=2", "dataset.samples_per_task=60",
         "device=cpu", "device.threads=1", "plots=false")  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The command of an environment that has the wheel, and for all else what is here."""
    pytest.importorskip("build")
    place = tmp_path_factory.mktemp("wheel")
    made = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(place), str(ROOT)],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    if "Could not find" in made.stdout + made.stderr:
        pytest.skip("there is nowhere to get hatchling from")
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    (wheel,) = place.glob("*.whl")
    venv.create(place / "venv", with_pip=False, symlinks=True)
    (site,) = (place / "venv" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    here = [path for path in sys.path if path.endswith("site-packages")]
    (site / "rest.pth").write_text("\n".join(here) + "\n")
    return place / "venv" / "bin" / "python"


@pytest.mark.slow
def test_a_method_of_ones_own_beside_an_installed_package(installed, tmp_path):
    def run(*words):
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [installed, "-c", "import sys, cl_bench.cli.main as m; sys.exit(m.main())", *words],
            cwd=tmp_path, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True,
            text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        return done.stdout

    where = subprocess.run(
        [installed, "-c", "import cl_bench; print(cl_bench.__file__)"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert str(ROOT) not in where.stdout
    run("new", "method", "anchor", "--into", "mylab")
    assert "from mylab" in run("--include", "mylab", "ls", "methods")
    assert "no faults" in run("check", "mylab")
    run("--include", "mylab", "method=anchor", *SHORT)
    sweep = ("-m", "method=anchor,single", "seed=0,1", *SHORT, "hydra/launcher=joblib")
    assert "4 runs" in run("--include", "mylab", *sweep)
    assert len(run("report", "outputs", "--format", "csv").splitlines()) == 3
