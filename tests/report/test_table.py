import json
import math
import shutil

import pytest
from synthetic_runs import write_run

from cl_bench.errors import RunError, UsageError
from cl_bench.report.table import build


def rows(report, *columns):
    return [tuple(row) for row in report.frame[list(columns)].itertuples(index=False)]


def test_seeds_are_averaged_and_methods_are_not(tmp_path):
    for seed, acc in enumerate((0.4, 0.5, 0.6)):
        write_run(tmp_path / "deep" / "one", "gem", seed, [acc] * 3, memory=200)
        write_run(tmp_path / "two", "single", seed, [acc / 2] * 3)
    report = build([tmp_path / "deep", tmp_path / "two"])
    assert report.labels == ["method.name"]
    assert rows(report, "method.name", "n", "seeds") == [
        ("gem", 3, "0 1 2"),
        ("single", 3, "0 1 2"),
    ]
    gem = report.frame.iloc[0]
    half = 4.3026527 * 0.1 / math.sqrt(3)  # t(0.975, 2)
    assert gem["acc_mean"] == pytest.approx(0.5)
    assert gem["acc_std"] == pytest.approx(0.1)
    assert gem["acc_low"] == pytest.approx(0.5 - half)
    assert gem["acc_high"] == pytest.approx(0.5 + half)
    assert gem["memory_bytes_mean"] == 200 * 64
    assert report.best >= {(0, "acc"), (0, "bwt"), (0, "forgetting")}
    assert (1, "acc") not in report.best
    assert report.notes == []


def test_less_forgetting_is_best(tmp_path):
    write_run(tmp_path, "gem", 0, [0.8] * 3)
    write_run(tmp_path, "single", 0, [0.2] * 3)
    report = build([tmp_path])
    assert (0, "forgetting") in report.best
    assert (1, "forgetting") not in report.best


def test_every_setting_that_varies_makes_rows(tmp_path):
    for size in (200, 1280):
        write_run(tmp_path, "gem", 0, memory=size)
    for lr in (0.03, 0.1):
        write_run(tmp_path, "er", 0, method__lr=lr)
    report = build([tmp_path])
    assert rows(report, "method.name", "memory.size", "method.lr") == [
        ("er", "–", "0.03"), ("er", "–", "0.1"), ("gem", "200", "0.1"), ("gem", "1280", "0.1"),
    ]  # fmt: skip


def test_what_makes_streams_differ_is_told_even_where_it_goes_with_a_method(tmp_path):
    write_run(tmp_path, "gem", 0, dataset__samples_per_task=1000)
    write_run(tmp_path, "single", 0, [0.9] * 3)
    report = build([tmp_path])
    assert report.labels == ["method.name", "dataset.samples_per_task"]
    assert report.best == set()  # nothing to compare with


def test_runs_of_different_code_are_kept_apart_and_told(tmp_path):
    write_run(tmp_path, "gem", 0, commit="a" * 40)
    write_run(tmp_path, "gem", 1, commit="b" * 40)
    report = build([tmp_path])
    assert rows(report, "method.name", "code", "n") == [
        ("gem", "0.1.0 aaaaaaaa", 1), ("gem", "0.1.0 bbbbbbbb", 1),
    ]  # fmt: skip
    assert any("different code versions are kept apart" in note for note in report.notes)


def test_by_averages_over_the_rest_and_says_so(tmp_path):
    write_run(tmp_path, "gem", 0, [0.4] * 3, memory=200, commit="a" * 40)
    write_run(tmp_path, "gem", 1, [0.6] * 3, memory=1280, commit="b" * 40)
    report = build([tmp_path], by=["method"])
    assert rows(report, "method.name", "n", "acc_mean") == [("gem", 2, pytest.approx(0.5))]
    told = "\n".join(report.notes)
    assert "averaged over memory.size: 1280, 200" in told
    assert "averaged over code versions: 0.1.0 aaaaaaaa, 0.1.0 bbbbbbbb" in told


def test_an_unknown_key_gets_a_hint(tmp_path):
    write_run(tmp_path, "gem", memory=200)
    with pytest.raises(UsageError, match=r"did you mean 'memory.size'"):
        build([tmp_path], by=["memory.siz"])


def test_a_fixed_dataset_seed_is_a_setting(tmp_path):
    for seed in range(2):
        write_run(tmp_path, "gem", seed)
        write_run(tmp_path, "gem", seed, dataset__seed=7)
    report = build([tmp_path])
    assert "dataset.seed" in report.labels
    assert max(report.frame["n"]) == 2


def test_the_same_run_twice_counts_once(tmp_path):
    first = write_run(tmp_path / "a", "gem", 0)
    write_run(tmp_path / "a", "gem", 1)
    shutil.copytree(first, tmp_path / "b" / first.name)
    report = build([tmp_path, tmp_path / "a"])
    assert rows(report, "n") == [(2,)]
    assert any("are the same run; the later one is used" in note for note in report.notes)


def test_a_run_that_failed_here_and_finished_there_is_no_gap(tmp_path):
    write_run(tmp_path / "a", "gem", 0)
    write_run(tmp_path / "b", "gem", 0, state="interrupted")
    assert build([tmp_path]).left_out == []


def test_failed_and_interrupted_runs_have_a_reason(tmp_path):
    for seed in range(3):
        write_run(tmp_path, "gem", seed, memory=200)
    write_run(tmp_path, "gem", 0, memory=1280)
    write_run(tmp_path, "gem", 1, memory=1280, state="diverged", message="not finite after task 2")
    write_run(tmp_path, "single", 0, state="interrupted")
    write_run(tmp_path, "single", 1, state="running")
    gaps = {(gap.what, gap.state): gap.reason for gap in build([tmp_path]).left_out}
    assert gaps == {
        ("gem, memory.size=1280, seed=1", "diverged"): "not finite after task 2",
        ("single, seed=0", "interrupted"): "interrupted before the end",
        ("single, seed=1", "running"): "not finished: still running, or killed",
    }


def test_what_nobody_asked_for_is_not_missing(tmp_path):
    for lr, size in ((0.1, 200), (0.1, 1280), (0.3, 200)):
        write_run(tmp_path, "gem", 0, memory=size, method__lr=lr)
    write_run(tmp_path, "single", 1)
    assert build([tmp_path]).left_out == []


def test_metrics_are_chosen_and_ordered(tmp_path):
    write_run(tmp_path, "gem", 0)
    report = build([tmp_path], metrics=["aia", "seconds_total", "acc"])
    assert [metric.key for metric in report.metrics] == ["aia", "seconds_total", "acc"]
    assert "bwt_mean" not in report.frame
    with pytest.raises(UsageError, match=r"--metrics fwd: no such metric; did you mean 'fwt'"):
        build([tmp_path], metrics=["fwd"])


def test_runs_of_before_have_the_metrics_of_today(tmp_path):
    run = write_run(tmp_path, "gem", 0, [0.5, 0.6, 0.7])
    old = {key: json.loads((run / "metrics.json").read_text())[key] for key in ("acc", "bwt")}
    (run / "metrics.json").write_text(json.dumps(old))
    (row,) = build([tmp_path]).frame.to_dict("records")
    assert row["worst_forgetting_mean"] == pytest.approx(0.4)
    assert row["aia_mean"] == pytest.approx((0.9 + 0.9 + 0.6) / 3)


def test_a_number_of_the_method_s_own_can_be_asked_for(tmp_path):
    run = write_run(tmp_path, "gem", 0)
    values = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**values, "kept_share": 0.25}))
    (row,) = build([tmp_path], metrics=["kept_share"]).frame.to_dict("records")
    assert row["kept_share_mean"] == 0.25


def test_rows_are_sorted_by_a_metric_the_best_first(tmp_path):
    for method, acc in (("er", 0.5), ("gem", 0.7), ("single", 0.3)):
        write_run(tmp_path, method, 0, [acc] * 3)
    for key, order in (
        ("acc", ["gem", "er", "single"]),
        ("forgetting", ["gem", "er", "single"]),
        ("method", ["er", "gem", "single"]),
    ):
        assert build([tmp_path], sort=key).frame["method.name"].tolist() == order
    with pytest.raises(UsageError, match="no such setting"):
        build([tmp_path], sort="speed")


def test_intransigence_is_against_the_joint_run_of_the_same_seed(tmp_path):
    for seed in range(2):
        write_run(tmp_path, "joint", seed, [0.9, 0.9, 0.8 + seed / 10])
        write_run(tmp_path, "gem", seed, [0.5, 0.6, 0.7])
    write_run(tmp_path, "gem", 2)
    by_name = build([tmp_path]).frame.set_index("method.name")["intransigence_mean"]
    assert by_name["gem"] == pytest.approx(0.15)  # of the two seeds that have a reference
    assert math.isnan(by_name["joint"])


def test_two_joint_runs_are_no_reference(tmp_path):
    for lr in (0.1, 0.2):
        write_run(tmp_path, "joint", 0, method__lr=lr)
    write_run(tmp_path, "gem", 0)
    report = build([tmp_path])
    assert "intransigence_mean" not in report.frame
    assert any("none is the reference" in note for note in report.notes)


def test_a_method_without_a_memory_is_one_run_in_a_sweep_over_sizes(tmp_path):
    for size in (200, 1280):
        write_run(tmp_path, "gem", 0, memory=size)
    write_run(tmp_path, "single", 0, memory__size=1280)
    report = build([tmp_path])
    assert rows(report, "method.name", "memory.size")[-1] == ("single", "–")
    assert any(note.startswith("single: no memory, so one run") for note in report.notes)


def damage_csv(run):
    (run / "accuracy.csv").write_text("a,b\n0.5\n")


def damage_values(run):
    content = (run / "accuracy.csv").read_text()
    (run / "accuracy.csv").write_text(content.replace("0.9", "nan", 1))


def damage_metrics(run):
    (run / "metrics.json").write_text('{"acc": 0.')


def foreign_metrics(run):
    values = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**values, "acc": 0.99}))


def deep_json(run):
    (run / "metrics.json").write_text("[" * 100_000)


def huge_metric(run):
    values = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**values, "parameters": 10**400}))


def huge_setting(run):
    content = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(content.replace("size: 0", f"size: {10**400}"))


def no_config(run):
    (run / "config.yaml").unlink()


def tagged_config(run):
    (run / "config.yaml").write_text("method: !!python/object/apply:os.system [echo]\n")


def anchored_config(run):
    (run / "config.yaml").write_text("a: &a [x, x]\nmethod: *a\n")


def deep_config(run):
    (run / "config.yaml").write_text("method: " + "[" * 100_000)


def binary_csv(run):
    (run / "accuracy.csv").write_bytes(b"\xff\x00\xfe")


def directory_in_place(run):
    (run / "accuracy.csv").unlink()
    (run / "accuracy.csv").mkdir()


DAMAGES = {
    damage_csv: "accuracy.csv", damage_values: "no accuracies", damage_metrics: "metrics.json",
    foreign_metrics: "not the mean", deep_json: "metrics.json", no_config: "config.yaml is missing",
    tagged_config: "config.yaml", anchored_config: "anchors", binary_csv: "accuracy.csv",
    directory_in_place: "accuracy.csv is missing", huge_metric: "metrics.json: int too large",
    huge_setting: "config.yaml: int too large", deep_config: "config.yaml: is nested too deeply",
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
def test_a_damaged_run_is_named_and_left_out(tmp_path, damage):
    write_run(tmp_path, "gem", 0, [0.4] * 3)
    damage(write_run(tmp_path, "gem", 1, [0.8] * 3))
    report = build([tmp_path])
    assert rows(report, "n", "acc_mean") == [(1, pytest.approx(0.4))]
    gap = next(gap for gap in report.left_out if gap.state == "damaged")
    assert DAMAGES[damage] in gap.reason
    assert "seed1" in gap.directory


@pytest.mark.parametrize(
    "damage", [tagged_config, anchored_config, huge_setting, deep_config], ids=lambda f: f.__name__
)
def test_without_libyaml_it_is_the_same(tmp_path, damage, monkeypatch):
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    test_a_damaged_run_is_named_and_left_out(tmp_path, damage)


def test_nothing_finished_is_one_sentence(tmp_path):
    with pytest.raises(RunError, match="no runs there"):
        build([tmp_path])
    write_run(tmp_path, state="failed", message="no data")
    with pytest.raises(RunError, match=r"none of 1 runs is finished.*failed: no data"):
        build([tmp_path])
    with pytest.raises(RunError, match="not a directory"):
        build([tmp_path / "nowhere"])


def test_links_do_not_lead_out_or_around(tmp_path):
    write_run(tmp_path / "runs", "gem", 0)
    outside = write_run(tmp_path / "elsewhere", "gem", 1)
    (tmp_path / "runs" / "link").symlink_to(outside)
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    assert rows(build([tmp_path / "runs"]), "seeds") == [("0",)]
