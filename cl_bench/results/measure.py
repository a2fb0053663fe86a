"""What the matrix of a stored run holds; a module of its own, since ``ls runs`` asks at once."""

from __future__ import annotations

from pathlib import Path

from cl_bench.config.target import ACCURACY, Measure, measure_of
from cl_bench.files.untrusted import Damaged, read_yaml


def read_measure(directory: Path) -> Measure:
    """What the matrix of a run holds, by its configuration; accuracy if that cannot be read."""
    try:
        return measure_of(read_yaml(directory / "config.yaml").get("dataset"))
    except Damaged:
        return ACCURACY
