"""The picture of one run; needs matplotlib, the extra ``plot``."""

from __future__ import annotations

import logging
from pathlib import Path

from cl_bench.drawing import style
from cl_bench.drawing.plots import Matrix, run_figure
from cl_bench.errors import RunError
from cl_bench.files.atomic import write_atomic
from cl_bench.files.untrusted import Damaged, read_yaml
from cl_bench.results.summary import read_shown

log = logging.getLogger("cl_bench")


def write_pictures(directory: Path) -> None:
    """``accuracy.png``: the accuracy matrix and each task's accuracy over time."""
    _, values, metrics, gone, learned = read_shown(directory)
    try:
        with style.styled("accuracy.png") as figure:
            matrix = Matrix("", values, gone.numbers(values.shape[1]), learned)
            drawn = run_figure(figure, matrix, style.colours([_method(directory)]).popitem()[1])
            score = ", ".join(
                f"{key.upper()} {metrics[key]:.3f}"
                for key in ("acc", "bwt")
                if metrics[key] is not None
            )
            without = f", {gone.told()} forgotten" if gone else ""
            drawn.suptitle(f"{directory.name}   {score}{without}")
            write_atomic(directory / "accuracy.png", style.save(drawn, "png"))
    except RunError as error:
        log.warning("%s", error)


def _method(directory: Path) -> str:
    try:
        section = read_yaml(directory / "config.yaml").get("method")
    except Damaged:  # a picture without the method's colour is a picture too
        section = None
    return str(section.get("name")) if isinstance(section, dict) else ""
