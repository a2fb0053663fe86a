import pytest
from synthetic_runs import write_run

from cl_bench.report.charts import SHEET, Styles, matrices, pictures, sheets
from cl_bench.report.table import build


@pytest.fixture
def report(tmp_path):
    for seed, noise in enumerate((0.0, 0.05)):
        for size in (100, 500):
            write_run(tmp_path, "gem", seed, [0.5 + noise, 0.6, 0.7], memory=size)
            write_run(tmp_path, "er", seed, [0.6 + noise, 0.7, 0.8], memory=size)
        write_run(tmp_path, "ewc", seed, [0.2 + noise, 0.4, 0.6])
    return build([tmp_path])


def by_name(report):
    return {picture.name: picture for picture in pictures(report)}


def test_a_method_has_one_colour_everywhere_and_a_memory_size_one_dash(report):
    found = by_name(report)
    lines = [s for picture in found.values() for chart in picture.charts for s in chart.series]
    for method in ("gem", "er", "ewc"):
        assert len({s.style.colour for s in lines if s.names[0] == method}) == 1
    assert len({s.style.colour for s in lines}) == 3
    (chart,) = found["curves"].charts
    dashes = {s.names[:2]: s.style.dash for s in chart.series}
    assert dashes[("gem", "memory 100")] == dashes[("er", "memory 100")] == 0
    assert dashes[("gem", "memory 500")] == dashes[("er", "memory 500")] == 1
    assert {s.label for s in chart.series} >= {"ewc", "gem, memory 100"}


def test_a_method_without_memory_is_a_level_line(report):
    (chart,) = by_name(report)["memory"].charts
    assert chart.places == [100, 500]
    level = next(s for s in chart.series if s.level)
    assert (level.label, level.x) == ("ewc", [100, 500])
    assert level.mean == pytest.approx([0.4 + 0.025 / 3] * 2)
    assert level.low[0] < level.mean[0] < level.high[0]
    gem = next(s for s in chart.series if s.label == "gem")
    assert gem.x == [100, 500]


def test_every_task_has_a_curve_with_a_band_from_when_it_was_learned(report):
    charts = by_name(report)["tasks"].charts
    assert [chart.title for chart in charts] == ["task 1", "task 2"]
    ewc = next(s for s in charts[0].series if s.label == "ewc")
    assert ewc.x == [1, 2, 3]
    assert ewc.mean == pytest.approx([0.9, 0.9, 0.225])
    assert ewc.low[2] < ewc.mean[2] < ewc.high[2]
    second = next(s for s in charts[1].series if s.label == "ewc")
    assert second.x == [2, 3]


def test_other_settings_are_markers(tmp_path):
    for lr in (0.01, 0.1):
        write_run(tmp_path, "gem", 0, method__lr=lr)
    (chart,) = by_name(build([tmp_path]))["curves"].charts
    assert [(s.label, s.style.marker) for s in chart.series] == [
        ("gem, lr=0.01", 0), ("gem, lr=0.1", 1),
    ]  # fmt: skip


def test_streams_have_charts_of_their_own(tmp_path):
    for name, final in (("digits", [0.5] * 3), ("mnist", [0.5] * 4)):
        write_run(tmp_path, "gem", 0, final, dataset__name=name)
    assert sorted(by_name(build([tmp_path]))) == ["curves", "curves_2", "tasks", "tasks_2"]


def test_matrices_are_means_and_come_in_sheets(tmp_path):
    for place in range(SHEET + 1):
        write_run(tmp_path, "gem", 0, [0.5, place / 100, 0.5], method__lr=1 + place)
    report = build([tmp_path])
    found = matrices(report)
    assert [number for number, _ in found] == list(range(SHEET + 1))
    assert found[3][1].values[-1, 1] == pytest.approx(0.03)
    assert [name for name, _ in sheets(report)] == ["matrices", "matrices_2"]


def test_styles_do_not_depend_on_the_other_rows_of_a_method(report):
    styles = Styles(report)
    drawn = {styles.of(member)[0]: styles.of(member)[1] for member in report.grouping.groups}
    assert len(set(drawn.values())) == len(drawn)  # no two rows look alike
