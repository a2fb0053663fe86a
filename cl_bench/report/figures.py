"""The report's figures for a paper, as PNG and PDF; needs matplotlib, the extra ``plot``."""

from __future__ import annotations

from pathlib import Path

from cl_bench.drawing.style import save, styled
from cl_bench.files.atomic import write_atomic
from cl_bench.report.charts import pictures, sheets
from cl_bench.report.table import Report


def write_figures(report: Report, directory: Path) -> list[Path]:
    """``curves``, ``tasks``, ``memory`` and ``matrices`` in ``directory``, those that there is
    something for, as wide as a paper's column (or both); returns the files."""
    written = []
    with styled("--figures") as new:
        directory.mkdir(parents=True, exist_ok=True)
        drawings = [(picture.name, picture.draw) for picture in pictures(report)]
        for name, draw in [*drawings, *sheets(report)]:
            figure = draw(new)
            for kind in ("png", "pdf"):
                written.append(directory / f"{name}.{kind}")
                write_atomic(written[-1], save(figure, kind))
    return written
