"""The report's figures for a paper, as PNG and PDF; needs matplotlib, the extra ``plot``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from cl_bench.errors import RunError
from cl_bench.files.atomic import write_atomic
from cl_bench.report.charts import Series, by_memory, curve_series, legend
from cl_bench.report.table import Report


def write_figures(report: Report, directory: Path) -> list[Path]:
    """``curves``, ``memory`` and ``matrices`` in ``directory``, those that there is something for;
    returns the files."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RunError("--figures needs matplotlib: pip install 'cl-bench[plot]'") from None
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for title, series in curve_series(report):
        figure = Figure(figsize=(5, 3.4), layout="constrained")
        _lines(figure.subplots(), series, "tasks learned", "accuracy on the tasks seen", title)
        name = "curves" if not written else f"curves_{len(written) // 2 + 1}"
        written += _save(figure, directory / name)
    if series := by_memory(report):
        figure = Figure(figsize=(5, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        _lines(axes, series, "memory size in samples", "ACC", "")
        places = sorted({value for s in series for value in s.x})
        axes.set_xticks(places, [f"{value:g}" for value in places])
        axes.minorticks_off()
        written += _save(figure, directory / "memory")
    return written + _save(_matrices(report, Figure), directory / "matrices")


def _lines(axes: Any, series: list[Series], x: str, y: str, title: str) -> None:
    for s in series:
        (line,) = axes.plot(s.x, s.mean, marker=".", label=_plain(s.label))
        if s.low != s.mean:
            axes.fill_between(s.x, s.low, s.high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlabel=x, ylabel=y, title=_plain(title))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)


def _matrices(report: Report, new_figure: type) -> Any:
    members = report.grouping.groups
    columns = min(4, len(members))
    rows = -(-len(members) // columns)
    figure = new_figure(figsize=(2.6 * columns + 0.6, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for place in axes.flat[len(members) :]:
        place.set_axis_off()
    for place, member in zip(axes.flat, members, strict=False):
        shapes = {run.matrix.shape for run in member.runs}
        place.set_title(_plain(legend(member, report.labels)), fontsize=8)
        if len(shapes) > 1:
            place.set_axis_off()
            continue
        mean = np.mean([run.matrix for run in member.runs], axis=0)
        tasks = mean.shape[1]
        image = place.imshow(
            mean, vmin=0, vmax=1, cmap="viridis", aspect="auto",
            extent=(0.5, tasks + 0.5, tasks + 0.5, -0.5),
        )  # fmt: skip
        place.locator_params(integer=True)
        figure.colorbar(image, ax=place, pad=0.02)
    figure.supxlabel("tested on task", fontsize=9)
    figure.supylabel("after learning task (0: untrained)", fontsize=9)
    return figure


def _plain(text: str) -> str:
    """A dollar sign would start a formula."""
    return text.replace("$", r"\$")


def _save(figure: Any, path: Path) -> list[Path]:
    written = []
    for suffix in ("png", "pdf"):
        content = io.BytesIO()
        figure.savefig(content, format=suffix, dpi=200)
        written.append(path.with_suffix(f".{suffix}"))
        write_atomic(written[-1], content.getvalue())
    return written
