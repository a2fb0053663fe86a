"""The report's figures for a paper, as PNG and PDF; needs matplotlib, the extra ``plot``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cl_bench.drawing.ranks import rank_figure
from cl_bench.drawing.style import save, styled
from cl_bench.files.atomic import write_atomic
from cl_bench.report.charts import pictures, sheets
from cl_bench.report.table import Report


def write_figures(report: Report, directory: Path) -> list[Path]:
    """``curves``, ``tasks``, ``memory`` and ``matrices`` in ``directory``, those that there is
    something for, and ``ranks`` if rows were compared across streams; as wide as a paper's column
    (or both). Returns the files."""
    written = []
    with styled("--figures") as new:
        directory.mkdir(parents=True, exist_ok=True)
        drawings = _ranks(report)
        drawings += [(picture.name, picture.draw) for picture in pictures(report)]
        for name, draw in [*drawings, *sheets(report)]:
            figure = draw(new)
            for kind in ("png", "pdf"):
                written.append(directory / f"{name}.{kind}")
                write_atomic(written[-1], save(figure, kind))
    return written


def _ranks(report: Report) -> list[tuple[str, Callable[[type], Any]]]:
    if (found := report.across) is None or found.critical is None:
        return []
    names = [", ".join(map(report.look.name, standing.label)) for standing in found.standings]
    ranks = [standing.rank for standing in found.standings]
    return [("ranks", lambda new: rank_figure(new, names, ranks, found.critical, found.alike))]
