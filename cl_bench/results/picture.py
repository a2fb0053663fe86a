"""The picture of one run; needs matplotlib, the extra ``plot``."""

from __future__ import annotations

import logging
from pathlib import Path

from cl_bench.drawing import style
from cl_bench.drawing.plots import Matrix, Within, run_figure
from cl_bench.errors import RunError
from cl_bench.files.atomic import write_atomic
from cl_bench.files.untrusted import Damaged, read_yaml
from cl_bench.metrics import find
from cl_bench.metrics.base import as_told
from cl_bench.metrics.curves import mean_seen
from cl_bench.results.curves import read_curves
from cl_bench.results.measure import read_measure
from cl_bench.results.summary import read_shown

log = logging.getLogger("cl_bench")


def write_pictures(directory: Path) -> None:
    """``accuracy.png``: the accuracy matrix and each task's accuracy over time."""
    _, values, metrics, gone, learned = read_shown(directory)
    try:
        with style.styled("accuracy.png") as figure:
            measure = read_measure(directory)
            matrix = Matrix("", values, gone.numbers(values.shape[1]), learned, measure)
            colour = style.colours([_method(directory)]).popitem()[1]
            drawn = run_figure(figure, matrix, colour, _within(directory, matrix))
            score = ", ".join(
                f"{as_told(find(key), measure).heading} {metrics[key]:.3f}"
                for key in ("acc", "bwt")
                if metrics[key] is not None
            )
            without = f", {gone.told()} forgotten" if gone else ""
            drawn.suptitle(f"{directory.name}   {score}{without}")
            write_atomic(directory / "accuracy.png", style.save(drawn, "png"))
    except RunError as error:
        log.warning("%s", error)


def _within(directory: Path, matrix: Matrix) -> Within | None:
    found = read_curves(directory, matrix.measure)
    if found is None:
        return None
    curve = found[1]
    return Within(curve.places.tolist(), curve.accuracy, mean_seen(curve, matrix.learned).tolist())


def _method(directory: Path) -> str:
    try:
        section = read_yaml(directory / "config.yaml").get("method")
    except Damaged:  # a picture without the method's colour is a picture too
        section = None
    return str(section.get("name")) if isinstance(section, dict) else ""
