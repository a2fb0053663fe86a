"""The pictures of concepts.md, from real streams and runs: ``python docs/pictures.py``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cl_bench
from cl_bench.config.compose import config_of
from cl_bench.drawing.style import COLOURS, HEAT, INK, PAGE, RULE, SOFT, save, styled
from cl_bench.memory.ring import Ring
from cl_bench.run.build import build_stream

PLACE = Path(__file__).parent / "pictures"
DIGITS = ("dataset=digits_split", "dataset.tasks=5")
HUES = [light for light, _ in COLOURS]


def stream(new: type) -> Any:
    """Two streams of the same digits: what comes first stands on the left."""
    figure = new(figsize=(PAGE, 1.75), layout="constrained")
    rows = figure.subplots(2, 20)
    kinds = (DIGITS, ("dataset=digits_permutations", "dataset.tasks=5"))
    for axes, words, title in zip(rows, kinds, ("class splits", "permutations"), strict=True):
        made = build_stream(config_of(words), torch.device("cpu"))
        for task in made.tasks:
            x, _ = next(iter(made.train_batches(task)))
            for place in range(4):
                one = axes[4 * task.index + place]
                one.imshow(x[place], cmap="gray_r", interpolation="nearest")
                one.set(xticks=[], yticks=[])
                for spine in one.spines.values():
                    spine.set(visible=True, color=HUES[task.index], linewidth=1.2)
            axes[4 * task.index].set_title(f"task {task.index + 1}", loc="left")
        axes[0].set_ylabel(title)
    return figure


def scenario(new: type) -> Any:
    """Which of ten outputs count after the third of five tasks, in a test of the first."""
    kinds = (
        ("task", "only the task's own classes", lambda k: k < 2, 10),
        ("class", "all classes seen so far", lambda k: k < 6, 10),
        ("domain", "one shared head", lambda k: True, 2),
    )
    figure = new(figsize=(PAGE, 1.6), layout="constrained")
    for axes, (name, told, counts, outputs) in zip(figure.subplots(1, 3), kinds, strict=True):
        for k in range(outputs):
            own = counts(k)
            colour = HUES[k // 2] if outputs == 10 else INK
            axes.bar(
                k, 1, 0.86, color=colour if own else "white", edgecolor=colour,
                alpha=1 if own else 0.35,
            )  # fmt: skip
            axes.text(k, 0.5, str(k), ha="center", va="center", color="white" if own else SOFT)
        axes.set(xlim=(-0.7, 9.7), ylim=(0, 1.05), xticks=[], yticks=[], title=f"{name}: {told}")
        axes.grid(False)
        axes.spines[:].set_visible(False)
    figure.supxlabel(
        "outputs after three of five tasks; filled: those that count for a sample of task 1"
    )
    return figure


def identity(new: type) -> Any:
    """What a method is told in training and in tests, by the three task identities."""
    rows = (
        ("test", "x, y, task 2", "x, task 2"),
        ("train", "x, y, task 2", "x"),
        ("none", "x, y", "x"),
    )
    figure = new(figsize=(PAGE, 1.3))
    axes = figure.subplots()
    axes.set(xlim=(0, 3), ylim=(0, 4), xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    for column, head in enumerate(("task_identity", "in training", "in tests")):
        axes.text(column + 0.1, 3.5, head, color=SOFT, va="center")
    for place, (name, train, test) in enumerate(rows):
        y = 2.5 - place
        axes.axhline(y + 0.5, color=RULE, linewidth=0.6)
        axes.text(0.1, y, name, weight="bold", va="center")
        for column, words in ((1, train), (2, test)):
            known = "task" in words
            axes.text(
                column + 0.1, y, words, va="center", color=HUES[0] if known else INK,
                weight="bold" if known else "normal",
            )  # fmt: skip
    figure.subplots_adjust(left=0.02, right=0.98, top=0.98, bottom=0.02)
    return figure


def memory(new: type) -> Any:
    """Whose samples a ring of 50 holds while five tasks pass by."""
    figure = new(figsize=(PAGE, 1.9), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), ("known", "growing"), strict=True):
        settings = Ring.Settings(name="ring", size=50, tasks=kind, authors_cursor=False)
        ring = Ring(settings, 5, (2,), torch.device("cpu"))
        counts = np.zeros((5, 101))
        for step in range(100):
            task = step // 20
            ring.add(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64), task)
            counts[: task + 1, step + 1] = ring.counts
        axes.stackplot(range(101), counts, colors=HUES, linewidth=0)
        axes.set(xlim=(0, 100), ylim=(0, 50), title=f"memory.tasks={kind}")
        axes.set_xlabel("samples of the stream")
        axes.set_xticks(range(0, 101, 20))
    figure.axes[0].set_ylabel("samples in memory")
    return figure


def _matrices() -> dict[str, np.ndarray]:
    words = (*DIGITS, "dataset.scenario=domain", "plots=false", "device.threads=1")
    with tempfile.TemporaryDirectory() as place:
        return {
            "method=single": cl_bench.run(*words, method="single", outputs=place).matrix,
            "method=gem memory.size=50": cl_bench.run(
                *words, "memory.size=50", method="gem", outputs=place
            ).matrix,
        }


def _draw(axes: Any, values: np.ndarray, title: str) -> None:
    axes.imshow(values, cmap=HEAT, vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if value < 0.6 else "black"
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=ink)
    tasks = values.shape[1]
    axes.set(title=title, xlabel="test set of task")
    axes.set_xticks(range(tasks), range(1, tasks + 1))
    axes.set_yticks(range(tasks + 1), ["untrained", *(f"after {t}" for t in range(1, tasks + 1))])
    axes.grid(False)


def matrix(new: type) -> Any:
    """Accuracies in percent of a run that forgets and of one that does so less."""
    figure = new(figsize=(PAGE, 2.3), layout="constrained")
    found = _matrices()
    for axes, (words, values) in zip(figure.subplots(1, 2), found.items(), strict=True):
        _draw(axes, values, words)
    return figure


def metrics(new: type) -> Any:
    """The entries of the matrix that ACC, BWT and FWT are made of."""
    figure = new(figsize=(PAGE, 2.1), layout="constrained")
    tasks = 5
    marked = {
        "ACC: the last row": [(tasks, j, "+") for j in range(tasks)],
        "BWT: last row, less diagonal": [
            *((tasks, j, "+") for j in range(tasks - 1)),
            *((j + 1, j, "−") for j in range(tasks - 1)),
        ],
        "FWT: before it, less untrained": [
            *((j, j, "+") for j in range(1, tasks)), *((0, j, "−") for j in range(1, tasks)),
        ],
    }  # fmt: skip
    for axes, (title, cells) in zip(figure.subplots(1, 3), marked.items(), strict=True):
        axes.imshow(np.zeros((tasks + 1, tasks)), cmap="gray_r", vmin=0, vmax=1, aspect="auto")
        for row, column, sign in cells:
            colour = HUES[2] if sign == "+" else HUES[3]
            axes.add_patch(_square(row, column, colour))
            axes.text(column, row, sign, ha="center", va="center", color="white", weight="bold")
        axes.set(title=title, xlabel="task")
        axes.set_xticks(range(tasks), range(1, tasks + 1))
        axes.set_yticks(range(tasks + 1), ["untrained", *(f"after {t}" for t in range(1, 6))])
        axes.set_xticks(np.arange(-0.5, tasks), minor=True)
        axes.set_yticks(np.arange(-0.5, tasks + 1), minor=True)
        axes.grid(False)
        axes.grid(which="minor")
        axes.tick_params(which="minor", length=0)
    return figure


def _square(row: int, column: int, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour, linewidth=0)


DRAWN: tuple[Callable[[type], Any], ...] = (stream, scenario, identity, memory, matrix, metrics)


def main() -> None:
    PLACE.mkdir(exist_ok=True)
    for draw in DRAWN:
        with styled() as new:
            (PLACE / f"{draw.__name__}.png").write_bytes(save(draw(new), "png"))


if __name__ == "__main__":
    main()
