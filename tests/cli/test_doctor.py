import os

import pytest
import torch

from cl_bench.cli import doctor
from cl_bench.run import build


@pytest.fixture
def found(tmp_path, monkeypatch):
    """All findings with an empty data cache, as what -> (level, detail)."""
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path / "data"))
    return lambda: {f.what: (f.level, f.detail) for f in doctor.examine(tmp_path / "outputs")}


def test_a_machine_that_runs_these_tests_is_healthy(found):
    findings = found()
    assert "problem" not in {level for level, _ in findings.values()}
    assert findings["cl-bench"][0] == "ok"
    for package in ("scipy", "safetensors", "pillow"):
        assert package in findings["packages"][1]
    assert findings["data digits"][0] == "ok"


def test_data_is_present_or_not(found, tmp_path):
    assert found()["data mnist"][0] == "info"
    from cl_bench.datasets.idx import FILES

    (tmp_path / "data" / "mnist").mkdir(parents=True)
    for file in FILES[:-1]:
        (tmp_path / "data" / "mnist" / file).touch()
    assert found()["data mnist"][0] == "info"
    (tmp_path / "data" / "mnist" / f"{FILES[-1]}.gz").touch()
    assert found()["data mnist"][0] == "ok"


def test_bf16_pays_only_where_its_products_are_faster(found, monkeypatch):
    seconds = {torch.float32: 2.0, torch.bfloat16: 1.0}
    monkeypatch.setattr(doctor, "_product_seconds", seconds.__getitem__)
    monkeypatch.setattr(build, "multiplies_bf16", lambda device: True)
    assert found()["bf16"] == ("ok", "a product takes the CPU 0.5 times as long as float32's")
    seconds[torch.bfloat16] = 3.0
    assert found()["bf16"] == ("info", "a product takes the CPU 1.5 times as long as float32's")
    monkeypatch.setattr(build, "multiplies_bf16", lambda device: False)
    assert found()["bf16"] == ("info", "the CPU has no instructions for it")


def test_examining_leaves_nothing_behind(found, tmp_path):
    found()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_a_problem(found, monkeypatch):
    wanted = ["numpy<3,>=1.26", "no-such-package-at-all>=1", "not-this; extra == 'x'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: wanted)
    level, detail = found()["packages"]
    assert level == "problem"
    assert "missing: no-such-package-at-all;" in detail


def test_outputs_that_cannot_be_written_are_a_problem(inline, tmp_path):
    (tmp_path / "file").touch()
    code, out, _ = inline("doctor", f"outputs={tmp_path / 'file'}")
    assert code == 1
    assert "is not a directory" in out
    assert "1 problems" in out


@pytest.mark.parametrize("place", ["/proc", "/sys"])
def test_a_place_without_write_permission(place, inline):
    code, out, _ = inline("doctor", f"outputs={place}")
    assert code == 1
    assert "not writable" in out


def test_a_wrong_option_is_told(inline):
    code, _, error = inline("doctor", "--fix")
    assert code == 2
    assert "outputs=DIR" in error


def test_the_command(cli):
    done = cli("doctor", env={"CL_BENCH_DATA": os.devnull + "-none"})
    assert "PyTorch" in done.stdout
    assert "launcher joblib" in done.stdout
