from synthetic_runs import write_run

from cl_bench.report.table import build


def bold(report, metric="acc"):
    return sorted(report.frame.loc[row, "method.name"] for row, key in report.best if key == metric)


def test_what_is_not_told_apart_from_the_best_is_bold_too(tmp_path):
    for seed, (best, near, far) in enumerate(
        [(0.70, 0.69, 0.4), (0.72, 0.73, 0.4), (0.74, 0.72, 0.5), (0.71, 0.71, 0.4)]
    ):
        for method, acc in (("er", best), ("gem", near), ("single", far)):
            write_run(tmp_path, method, seed, [acc] * 3)
    assert bold(build([tmp_path])) == ["er", "gem"]


def test_four_pairs_of_signed_ranks_tell_nothing_apart(tmp_path):
    for seed in range(4):
        write_run(tmp_path, "er", seed, [0.7 + seed / 100] * 3)
        write_run(tmp_path, "single", seed, [0.2 + seed / 50] * 3)
    assert bold(build([tmp_path])) == ["er"]
    report = build([tmp_path], test="wilcoxon")
    assert bold(report) == ["er", "single"]
    assert any("cannot give a p below 0.125, whatever" in note for note in report.notes)


def test_one_seed_allows_no_test(tmp_path):
    write_run(tmp_path, "er", 0, [0.7] * 3)
    write_run(tmp_path, "single", 0, [0.69] * 3)
    assert bold(build([tmp_path])) == ["er"]
