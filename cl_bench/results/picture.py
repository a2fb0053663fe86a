"""Pictures of one run; needs matplotlib, the extra ``plot``."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np

from cl_bench.files.atomic import write_atomic
from cl_bench.results.summary import read_shown

log = logging.getLogger("cl_bench")


def write_pictures(directory: Path) -> None:
    """``accuracy.png``: the accuracy matrix and each task's accuracy over time."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        log.warning("no pictures: matplotlib is missing; pip install 'cl-bench[plot]'")
        return
    _, matrix, metrics, gone = read_shown(directory)
    figure = Figure(figsize=(13, 5.4), layout="constrained")
    heat, curves = figure.subplots(1, 2, width_ratios=(1, 1.15))
    numbers = gone.numbers(matrix.shape[1])
    _draw_matrix(heat, matrix, numbers)
    _draw_curves(curves, matrix, numbers)
    score = ", ".join(
        f"{key.upper()} {metrics[key]:.3f}" for key in ("acc", "bwt") if metrics[key] is not None
    )
    without = f", {gone.told()} forgotten" if gone else ""
    figure.suptitle(f"{directory.name}   {score}{without}", fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    write_atomic(directory / "accuracy.png", content.getvalue())


def _ticks(tasks: int) -> range:
    """Task numbers at equal distances, the last one among them."""
    step = -(-tasks // 10)
    return range(tasks - (tasks - 1) // step * step, tasks + 1, step)


def _draw_matrix(axes, matrix: np.ndarray, numbers: list[int]) -> None:
    tasks = matrix.shape[1]
    image = axes.imshow(
        matrix, vmin=0, vmax=1, cmap="viridis", extent=(0.5, tasks + 0.5, tasks + 0.5, -0.5)
    )
    axes.set(
        xlabel="tested on task", ylabel="after learning task (0: untrained)", aspect="auto",
        title="test accuracy",
    )  # fmt: skip
    labels = [str(numbers[place - 1]) for place in _ticks(tasks)]
    axes.set_xticks(_ticks(tasks), labels)
    axes.set_yticks([0, *_ticks(tasks)], ["0", *labels])
    axes.figure.colorbar(image, ax=axes, pad=0.02)


def _draw_curves(axes, matrix: np.ndarray, numbers: list[int]) -> None:
    import matplotlib

    tasks = matrix.shape[1]
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, tasks))
    for task in range(tasks):
        axes.plot(
            range(task + 1, tasks + 1), matrix[task + 1 :, task], color=colors[task], alpha=0.65,
            linewidth=1.1, marker="." if task == tasks - 1 else None,
        )  # fmt: skip
    mean = [matrix[row, :row].mean() for row in range(1, tasks + 1)]
    axes.plot(range(1, tasks + 1), mean, color="crimson", linewidth=2.4, label="mean of those seen")
    axes.set(
        xlabel="after learning task", ylabel="test accuracy", ylim=(0, 1),
        title="each task from when it was learned (dark: early, light: late)",
    )  # fmt: skip
    axes.set_xticks(_ticks(tasks), [str(numbers[place - 1]) for place in _ticks(tasks)])
    axes.grid(alpha=0.25)
    axes.legend(loc="lower left")
