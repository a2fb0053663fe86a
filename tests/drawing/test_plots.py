import numpy as np
import pytest

from cl_bench.drawing.plots import (
    MOST_NAMED,
    Chart,
    Matrix,
    Series,
    legend,
    line_figure,
    matrix_figure,
    mean_seen,
    page_matrix,
    run_figure,
    task_ticks,
)
from cl_bench.drawing.style import COLUMN, Style, styled


@pytest.fixture
def new():
    with styled() as figure:
        yield figure


def series(method="gem", memory="", rest="", style=None, x=(1, 2, 3), level=False):
    y = [0.5] * len(x)
    return Series((method, memory, rest), style or Style(), x, y, y, y, level=level)


def laid_out(figure):
    figure.draw_without_rendering()
    return figure


def overlaps(one, other):
    return not (
        one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
    )


@pytest.mark.parametrize("panels", [1, 3, 6])
def test_the_legend_lies_outside_of_the_axes_and_their_words(new, panels):
    lines = [series(f"method {i}", style=Style(i)) for i in range(5)]
    charts = [Chart("title", "tasks learned", "accuracy", lines)] * panels
    figure = laid_out(line_figure(new, charts))
    assert figure.get_figwidth() == COLUMN
    (box,) = figure.legends
    place = box.get_window_extent()
    for axes in figure.axes:
        if axes.axison:
            assert not overlaps(place, axes.get_tightbbox())
    assert place.x0 >= 0
    assert place.x1 <= figure.bbox.width


@pytest.mark.parametrize("rows", [1, 10, 200])
def test_axes_keep_their_size_however_many_rows(new, rows):
    lines = [
        series(f"m{i % 5}", f"memory {i % 4}", f"lr={i // 20}", Style(i % 5, i % 4, i // 20))
        for i in range(rows)
    ]
    figure = laid_out(line_figure(new, [Chart("", "x", "y", lines)]))
    inches = figure.axes[0].get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    assert inches.height > 1.2
    assert inches.width > 2.2
    assert figure.get_figheight() < 6


def test_many_lines_are_told_by_what_their_looks_stand_for():
    lines = [
        series(method, memory, "", Style(i, j))
        for i, method in enumerate(("er", "gem", "mer"))
        for j, memory in enumerate(("memory 1", "memory 2", "memory 3", "memory 4"))
    ]
    assert [entry.label for entry in legend(lines, marks=False)] == [
        "er", "gem", "mer", "memory 1", "memory 2", "memory 3", "memory 4",
    ]  # fmt: skip
    assert [entry.label for entry in legend(lines[:2], marks=False)] == [
        "er, memory 1", "er, memory 2",
    ]  # fmt: skip
    assert legend(lines[:1], marks=False) == []
    endless = legend([series(f"m{i}") for i in range(60)], marks=False)
    assert len(endless) == MOST_NAMED
    assert endless[-1].label == f"and {60 - MOST_NAMED + 1} more"


def test_a_level_line_has_no_marker_and_memory_sizes_are_the_ticks(new):
    sized = series("gem", x=(100, 500, 5120))
    level = series("ewc", style=Style(2), x=(100, 5120), level=True)
    figure = laid_out(line_figure(new, [Chart("", "x", "y", [sized, level], [100, 500, 5120])]))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "500", "5120"]
    assert [line.get_marker() for line in axes.lines] == ["o", "None"]


def test_tasks_are_whole_numbers_and_the_last_is_among_them(new):
    for tasks in (1, 2, 7, 20, 200):
        assert task_ticks(tasks)[-1] == tasks
        assert len(task_ticks(tasks)) <= 10
    figure = laid_out(line_figure(new, [Chart("", "x", "y", [series(x=range(1, 21))])]))
    words = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert words[-1] == "20"
    assert all(word.isdigit() for word in words)


def test_matrices_share_one_colour_bar(new):
    matrices = [Matrix(f"row {i}", np.full((4, 3), i / 6), [1, 2, 4]) for i in range(5)]
    figure = laid_out(matrix_figure(new, matrices))
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == 5
    assert len([axes for axes in figure.axes if axes.get_label() == "<colorbar>"]) == 1
    assert {axes.images[0].get_clim() for axes in drawn} == {(0, 1)}
    words = [label.get_text() for label in drawn[-1].get_xticklabels()]
    assert words == ["1", "2", "4"]  # the tasks that are left of a run that forgot one


def test_the_box_of_a_page_matrix_is_where_its_image_is(new):
    draw = page_matrix(new)
    first, box = draw(Matrix("a", np.zeros((4, 3)), [1, 2, 3]))
    second, again = draw(Matrix("b", np.ones((4, 3)), [1, 2, 3]))
    assert (first, box) == (second, again)  # laid out once
    assert second.axes[0].images[0].get_array().min() == 1
    left, top, width, height = box
    place = second.axes[0].get_position()
    assert (left, 1 - top - height) == pytest.approx((place.x0, place.y0), abs=1e-3)
    assert (width, height) == pytest.approx((place.width, place.height), abs=1e-3)


@pytest.mark.parametrize("tasks", [1, 2, 20])
def test_a_runs_own_picture(new, tasks):
    figure = laid_out(run_figure(new, Matrix("", np.eye(tasks + 1, tasks), range(1, tasks + 1)), 3))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["mean of the tasks seen", "first task", "last task"][: 3 if tasks > 1 else 1]


def test_the_mean_is_over_the_tasks_learned_so_far():
    values = np.array([[0.1, 0.1], [0.8, 0.3], [0.4, 0.6]])
    assert mean_seen(values, [0, 1]) == [0.8, 0.5]
    returned = np.vstack([values, [0.7, 0.3]])
    assert mean_seen(returned, [0, 1, 0]) == [0.8, 0.5, 0.5]
