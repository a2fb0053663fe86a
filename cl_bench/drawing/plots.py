"""Lines with bands, and matrices of accuracies or R², as figures."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from cl_bench.config.target import ACCURACY, Measure, together
from cl_bench.drawing.style import COLUMN, HEAT, SOFT, Style

CHARACTER = 0.058  # inches of a character of a legend
ROW = 0.145  # inches of a legend's line
MOST_BANDS = 12  # lines of a chart that can have bands and still be told apart
MOST_NAMED = 24  # entries of a legend
PICTURE = 7.5  # inches: a run's own picture is looked at, not printed


class Series(NamedTuple):
    """A line: x, mean, and low and high, which are the mean where there is one seed.

    ``names`` are what its colour, its dash and its marker stand for, where they stand for
    something; ``number`` is the row of the report that it shows.
    """

    names: tuple[str, str, str]
    style: Style
    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    number: int = 0
    level: bool = False  # the same for all x: without markers

    @property
    def label(self) -> str:
        return ", ".join(filter(None, self.names))


@dataclass
class Chart:
    """``places`` are the values of a logarithmic x axis; without them x are whole numbers."""

    title: str
    x_label: str
    y_label: str
    series: list[Series]
    places: list[float] = field(default_factory=list)


class Matrix(NamedTuple):
    """``values`` (S+1, T); ``numbers`` (T,) are the tasks' places in the stream, from 1;
    ``learned`` (S,) is the task (its column) of each stay, one after the other unless it is given;
    ``measure`` is what the values are.
    """

    title: str
    values: np.ndarray
    numbers: Sequence[int]
    learned: Sequence[int] = ()
    measure: Measure = ACCURACY

    @property
    def stays(self) -> list[int]:
        """The task (its column) of each stay, (S,)."""
        return list(self.learned or range(len(self.numbers)))

    @property
    def rows(self) -> list[int]:
        """The task's number of each stay, (S,)."""
        return [self.numbers[task] for task in self.stays]


class Within(NamedTuple):
    """Tests within tasks: their ``places`` (E,) in stays, the ``accuracy`` (E, T) on each task,
    NaN where it was not tested, and its ``mean`` (E,) over the tasks seen."""

    places: Sequence[float]
    accuracy: np.ndarray
    mean: Sequence[float]


class Entry(NamedTuple):
    label: str
    settings: dict[str, Any]
    number: int | None


def line_figure(new: type, charts: Sequence[Chart], width: float = COLUMN, columns: int = 2) -> Any:
    """``charts`` of equal axes beside and below each other, with one legend under them."""
    columns = min(columns, len(charts))
    rows = -(-len(charts) // columns)
    lines_of_all = [s for chart in charts for s in chart.series]
    marks = len({s.style.marker for s in lines_of_all}) > 1 or (
        len(charts) == 1 and max(len(s.x) for s in lines_of_all) <= 12
    )
    entries = legend(lines_of_all, marks)
    across, lines = _legend_shape(entries, width)
    tall = 2.1 if len(charts) == 1 else 1.25
    figure = new(figsize=(width, tall * rows + 0.2 + ROW * lines), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for place, chart in zip(axes.flat, charts, strict=False):
        draw_lines(place, chart, marks, many=len(charts) > 1)
    for place in axes.flat[len(charts) :]:
        place.set_axis_off()
    for place in axes.flat[max(0, len(charts) - columns) : len(charts)]:
        place.tick_params(labelbottom=True)  # nothing below it shows the numbers
        place.set_xlabel(charts[0].x_label)
    figure.supylabel(charts[0].y_label)
    _place_legend(figure, entries, across)
    return figure


def draw_lines(axes: Any, chart: Chart, marks: bool, many: bool = False) -> None:
    """The lines of ``chart`` with their bands and, with ``marks``, markers; ``many`` if it is one
    of several small ones."""
    if chart.places:
        axes.set_xscale("log")
        shown = _apart(chart.places)
        axes.set_xticks(shown, [f"{value:g}" for value in shown])
        axes.minorticks_off()
    else:
        axes.set_xticks(task_ticks(int(max(s.x[-1] for s in chart.series)), 5 if many else 10))
    bands = len(chart.series) <= MOST_BANDS
    for s in chart.series:
        gid = f"series-{s.number}"
        marker = s.style.shape if (marks and not s.level) or len(s.x) == 1 else None
        axes.plot(
            s.x, s.mean, marker=marker, markevery=-(-len(s.x) // 12), gid=gid,
            alpha=None if bands else 0.6, **s.style.settings,
        )  # fmt: skip
        if bands and list(s.low) != list(s.high):
            colour = s.style.settings["color"]
            band = axes.fill_between(s.x, s.low, s.high, color=colour, alpha=0.15, linewidth=0)
            band.set_gid(gid)
    if chart.title:
        axes.set_title(wrapped(chart.title, 1.4 if many else 3))


def _apart(places: Sequence[float]) -> list[float]:
    """Those of the sorted ``places`` whose numbers do not run into each other, both ends in."""
    room = np.log(places[-1] / places[0]) / 8 if len(places) > 1 else 0
    found = [places[-1]]
    for value in places[-2::-1]:
        if np.log(found[-1] / value) >= room and (
            value == places[0] or np.log(value / places[0]) >= room
        ):
            found.append(value)
    return found[::-1]


def legend(series: Sequence[Series], marks: bool) -> list[Entry]:
    """One entry for each line or, where these would be many, for each colour, dash and marker."""
    single: dict[str, Entry] = {}
    for s in series:
        marker = {"marker": s.style.shape} if marks and not s.level else {}
        single.setdefault(s.label, Entry(s.label, {**s.style.settings, **marker}, s.number))
    if len(single) < 2:
        return []
    if len(single) <= 10:
        return list(single.values())
    parts: dict[tuple[int, str], Entry] = {}
    for s in series:
        looks = (
            {"color": s.style.settings["color"]},
            {"color": SOFT, "linestyle": s.style.settings["linestyle"]},
            {"color": SOFT, "linestyle": "", "marker": s.style.shape},
        )
        for place, (name, look) in enumerate(zip(s.names, looks, strict=True)):
            if name:
                parts.setdefault((place, name), Entry(name, look, None))
    ordered = [parts[key] for key in sorted(parts, key=lambda key: key[0])]
    entries = ordered if len(ordered) < len(single) else list(single.values())
    if len(entries) > MOST_NAMED:
        more = len(entries) - MOST_NAMED + 1
        entries = [*entries[: MOST_NAMED - 1], Entry(f"and {more} more", {"linestyle": ""}, None)]
    return entries


def _legend_shape(entries: Sequence[Entry], width: float) -> tuple[int, int]:
    """Columns and lines of a legend that fits ``width`` inches."""
    if not entries:
        return 1, 0
    labels = [wrapped(entry.label, width - 0.5) for entry in entries]
    longest = max(len(line) for label in labels for line in label.splitlines())
    columns = max(1, min(len(entries), int(width / (0.42 + CHARACTER * longest))))
    most = max(label.count("\n") + 1 for label in labels)
    return columns, -(-len(entries) // columns) * most


def _place_legend(figure: Any, entries: Sequence[Entry], columns: int) -> None:
    if not entries:
        return
    from matplotlib.lines import Line2D

    width = figure.get_figwidth()
    handles = [Line2D([], [], **entry.settings) for entry in entries]
    labels = [wrapped(entry.label, width - 0.5) for entry in entries]
    box = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, handlelength=2.2,
        columnspacing=1.0, borderpad=0.1,
    )  # fmt: skip
    for entry, handle, text in zip(entries, box.legend_handles, box.get_texts(), strict=True):
        if entry.number is not None:
            handle.set_gid(f"series-{entry.number}")
            text.set_gid(f"series-{entry.number}")


def wrapped(text: str, inches: float) -> str:
    """``text`` in lines of at most ``inches``."""
    return textwrap.fill(text, max(8, int(inches / CHARACTER)))


def matrix_figure(
    new: type, matrices: Sequence[Matrix], width: float = COLUMN, columns: int = 2
) -> Any:
    """Matrices beside and below each other, all with one colour bar."""
    columns = min(columns, len(matrices))
    rows = -(-len(matrices) // columns)
    figure = new(figsize=(width, rows * (width - 0.6) / columns * 0.95 + 0.5), layout="constrained")
    # equal tasks need their numbers once
    equal = len({(*matrix.numbers, *matrix.rows) for matrix in matrices}) == 1
    axes = figure.subplots(rows, columns, squeeze=False, sharex=equal, sharey=equal)
    for place in axes.flat[len(matrices) :]:
        place.set_axis_off()
    for place, matrix in zip(axes.flat, matrices, strict=False):
        image = draw_matrix(place, matrix, most=5)
        place.set_title(wrapped(matrix.title, (width - 0.8) / columns - 0.1), fontsize=7)
    for place in axes.flat[max(0, len(matrices) - columns) : len(matrices)]:
        place.tick_params(labelbottom=True)
    colour_bar(figure, image, axes, together(matrix.measure for matrix in matrices))
    figure.supxlabel("tested on task")
    figure.supylabel("after learning task (0: untrained)")
    return figure


def page_matrix(new: type) -> Callable[[Matrix], tuple[Any, list[float]]]:
    """A function that draws one matrix after another for a page, without title and colour bar.

    It gives the figure and where the image lies in it: left, top, width and height as shares of
    the figure. Those of equal tasks are drawn into one figure, which is laid out once.
    """
    made: dict[tuple[int, ...], tuple[Any, Any, list[float]]] = {}

    def draw(matrix: Matrix) -> tuple[Any, list[float]]:
        key = (*matrix.numbers, *matrix.rows)
        if key not in made:
            figure = new(figsize=(2.4, 2.3), layout="constrained")
            axes = figure.subplots()
            image = draw_matrix(axes, matrix, most=6)
            axes.set(xlabel="tested on task", ylabel="after learning task")
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            box = axes.get_position()
            place = [box.x0, 1 - box.y1, box.width, box.height]
            made[key] = figure, image, [round(share, 4) for share in place]
        figure, image, place = made[key]
        image.set_data(matrix.values)
        return figure, place

    return draw


def bar_figure(new: type, measure: Measure = ACCURACY) -> Any:
    """The colour bar of all matrices, lying."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure = new(figsize=(COLUMN, 0.5), layout="constrained")
    colours = ScalarMappable(Normalize(0, 1), HEAT)
    bar = figure.colorbar(colours, cax=figure.subplots(), orientation="horizontal", **_bar(measure))
    bar.outline.set_visible(False)
    return figure


def colour_bar(figure: Any, image: Any, axes: Any, measure: Measure) -> None:
    """One for all ``axes``, as high as a single row of them would like it."""
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=30, **_bar(measure))
    bar.outline.set_visible(False)


def _bar(measure: Measure) -> dict[str, Any]:
    """The words at a colour bar; what is less than 0 has the colour of 0, which a tip tells."""
    return {"label": f"test {measure.name}", "extend": "neither" if measure.least == 0 else "min"}


def draw_matrix(axes: Any, matrix: Matrix, most: int = 10) -> Any:
    """The image of ``matrix``, with at most about ``most`` numbers at an axis."""
    import matplotlib

    tasks, stays = len(matrix.numbers), len(matrix.rows)
    image = axes.imshow(
        matrix.values, vmin=0, vmax=1, aspect="auto", interpolation="nearest",
        cmap=matplotlib.colormaps[HEAT].with_extremes(bad="0.85"),
        extent=(0.5, tasks + 0.5, stays + 0.5, -0.5),
    )  # fmt: skip
    for axis, numbers, before in ((axes.xaxis, matrix.numbers, []), (axes.yaxis, matrix.rows, [0])):
        places = task_ticks(len(numbers), most)
        labels = [str(numbers[place - 1]) for place in places]
        axis.set_ticks([*before, *places], [*map(str, before), *labels])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return image


def task_ticks(tasks: int, most: int = 10) -> list[int]:
    """At most about ``most`` whole numbers at equal distances, the last task among them."""
    step = -(-tasks // most)
    return [*range(tasks - (tasks - 1) // step * step, tasks + 1, step)]


def run_figure(new: type, matrix: Matrix, colour: int, within: Within | None = None) -> Any:
    """One run: its matrix, each task from when it was learned, and the mean of those seen; with
    tests within tasks also while they are learned."""
    import matplotlib
    from matplotlib.lines import Line2D

    tasks, stays = len(matrix.numbers), len(matrix.rows)
    figure = new(figsize=(PICTURE, 3.2), layout="constrained")
    heat, curves = figure.subplots(1, 2, width_ratios=(1, 1.15))
    image = draw_matrix(heat, matrix)
    heat.set(xlabel="tested on task", ylabel="after learning task (0: untrained)")
    colour_bar(figure, image, heat, matrix.measure)
    shades = matplotlib.colormaps[HEAT](np.linspace(0, 0.9, tasks))
    for task in range(tasks):
        first = matrix.stays.index(task) + 1
        x, y = np.arange(first, stays + 1), matrix.values[first:, task]
        if within is not None:
            x, y = np.asarray(within.places), within.accuracy[:, task]
        x, y = x[~np.isnan(y)], y[~np.isnan(y)]
        dot = "." if len(x) == 1 else None
        curves.plot(x, y, color=shades[task], alpha=0.65, linewidth=0.8, marker=dot)
    mean = mean_seen(matrix.values, matrix.stays)
    of = seen_words((matrix.values, matrix.stays))
    x, title = range(1, stays + 1), "each task from when it was learned"
    if within is not None:
        x, mean, title = within.places, within.mean, "each task while and since it was learned"
    seen = Series(("", "", ""), Style(colour), x, mean, mean, mean)
    draw_lines(curves, Chart(title, "", "", [seen]), marks=len(x) == 1)
    curves.lines[-1].set(linewidth=2.2)
    places = task_ticks(stays)
    curves.set_xticks(places, [str(matrix.rows[place - 1]) for place in places])
    # R² has no least value: from -1 on, where nothing is answered, lines leave the picture
    lowest = min(float(np.nanmin(line.get_ydata())) for line in curves.lines)
    bottom = max(-1.0, matrix.measure.least, min(0.0, lowest))
    name = matrix.measure.name
    curves.set(xlabel="after learning task", ylabel=f"test {name}", ylim=(bottom, 1))
    ends = {"first task": shades[0], "last task": shades[-1]} if tasks > 1 else {}
    samples = [Line2D([], [], color=shade, linewidth=0.8) for shade in ends.values()]
    figure.legend(
        [curves.lines[-1], *samples], [f"mean of {of}", *ends],
        loc="outside lower center", ncols=3,
    )  # fmt: skip
    return figure


def mean_seen(values: np.ndarray, learned: Sequence[int]) -> list[float]:
    """Mean accuracy over the tasks learned so far, after each stay; (S,) of an (S+1, T) matrix.

    Over those that were measured; the latest always is.
    """
    return [float(np.nanmean(row)) for row in _seen(values, learned)]


def seen_words(*matrices: tuple[np.ndarray, Sequence[int]]) -> str:
    """What :func:`mean_seen` is the mean of, for several matrices and their ``learned``."""
    rows = [row for matrix in matrices for row in _seen(*matrix)]
    whole = not any(np.isnan(row).any() for row in rows)
    return "the tasks seen" if whole else "those tasks seen that were tested"


def _seen(values: np.ndarray, learned: Sequence[int]) -> list[np.ndarray]:
    """Accuracy on each task learned so far, after each stay."""
    return [values[stay, sorted(set(learned[:stay]))] for stay in range(1, len(values))]
