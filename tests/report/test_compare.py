import pytest
from synthetic_runs import write_run

from cl_bench.errors import UsageError
from cl_bench.report.table import build


def test_differences_are_between_equal_seeds(tmp_path):
    for seed, (ours, theirs) in enumerate([(0.6, 0.5), (0.8, 0.6), (0.9, 0.6)]):
        write_run(tmp_path, "gem", seed, [ours] * 3, memory=200)
        write_run(tmp_path, "single", seed, [theirs] * 3)
    write_run(tmp_path, "gem", 3, [0.1] * 3, memory=200)  # has no partner
    report = build([tmp_path], baseline="method=single")
    (row,) = report.differences.to_dict("records")
    assert (row["method.name"], row["n"]) == ("gem", 3)
    assert row["acc_mean"] == pytest.approx(0.2)
    assert row["acc_p"] == pytest.approx(1 - (12 / 14) ** 0.5)  # differences 1, 2, 3 tenths
    assert report.notes == []


def test_each_size_meets_the_one_baseline_without_a_memory(tmp_path):
    for seed in range(2):
        write_run(tmp_path, "single", seed)
        for size in (200, 1280):
            write_run(tmp_path, "gem", seed, memory=size)
    report = build([tmp_path], baseline="method=single")
    assert report.differences["memory.size"].tolist() == ["200", "1280"]


def test_runs_of_one_seed_are_one_observation_on_either_side(tmp_path):
    for seed, acc in enumerate((0.60, 0.61, 0.62)):
        write_run(tmp_path, "gem", seed, [acc] * 3)
        for lr, theirs in ((0.1, 0.4), (0.3, 0.8)):
            write_run(tmp_path, "single", seed, [theirs] * 3, method__lr=lr)
    for base, mean in (("single", 0.01), ("gem", -0.01)):
        report = build([tmp_path], by=["method"], baseline=f"method={base}")
        (row,) = report.differences.to_dict("records")
        assert row["n"] == 3
        assert row["acc_mean"] == pytest.approx(mean)
        assert row["acc_p"] == pytest.approx(1 - (3 / 5) ** 0.5)  # differences 0, 1, 2 hundredths


def test_a_size_can_be_the_baseline(tmp_path):
    for seed in range(2):
        for method in ("er", "gem"):
            for size, acc in ((200, 0.5), (1280, 0.7)):
                write_run(tmp_path, method, seed, [acc] * 3, memory=size)
    report = build([tmp_path], baseline="memory.size=200")
    found = report.differences[["method.name", "memory.size", "acc_mean"]].values.tolist()
    assert found == [["er", "1280", pytest.approx(0.2)], ["gem", "1280", pytest.approx(0.2)]]


def test_each_dataset_meets_its_own_baseline(tmp_path):
    for tasks in (3, 4):
        for method, acc in (("single", 0.1 * tasks), ("gem", 0.2 * tasks)):
            write_run(tmp_path, method, 0, [acc] * tasks)
    report = build([tmp_path], baseline="method=single")
    assert report.differences["acc_mean"].tolist() == [pytest.approx(0.3), pytest.approx(0.4)]


def test_settings_that_go_with_a_method_are_told(tmp_path):
    for seed in range(2):
        write_run(tmp_path, "single", seed)
        write_run(tmp_path, "mer", seed, dataset__batch_size=1)
    report = build([tmp_path], baseline="method=single")
    assert len(report.differences) == 1
    assert "mer and method=single differ in dataset.batch_size besides" in report.notes


def test_no_counterpart_is_told(tmp_path):
    write_run(tmp_path, "single", 0, model__hidden=[10])
    for hidden in ([10], [20]):
        write_run(tmp_path, "gem", 0, model__hidden=hidden)
    write_run(tmp_path, "er", 5, model__hidden=[10])
    report = build([tmp_path], baseline="method=single")
    assert report.differences["model.hidden"].tolist() == ["[10]"]
    told = "\n".join(report.notes)
    assert "gem, [20] has no counterpart: no baseline with the same model.hidden" in told
    assert "er, [10] has no counterpart: no seed and stream in common" in told


def test_an_ambiguous_baseline_is_told(tmp_path):
    for lr in (0.03, 0.1):
        write_run(tmp_path, "single", 0, method__lr=lr)
    write_run(tmp_path, "gem", 0)
    report = build([tmp_path], baseline="method=single")
    assert report.differences.empty
    assert any("several baselines match" in note for note in report.notes)
    chosen = build([tmp_path], baseline="method=single,method.lr=0.1")
    assert "gem" in chosen.differences["method.name"].tolist()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [("single", "write KEY=VALUE"), ("method=gme", "no finished run"), ("metod=x", "did you mean")],
)
def test_a_wrong_baseline_is_one_sentence(tmp_path, words, sentence):
    write_run(tmp_path, "gem", 0)
    with pytest.raises(UsageError, match=sentence):
        build([tmp_path], baseline=words)


def test_p_is_corrected_over_the_rows(tmp_path):
    for seed, (one, two) in enumerate([(0.6, 0.61), (0.7, 0.64), (0.8, 0.62)]):
        write_run(tmp_path, "single", seed, [0.5] * 3)
        write_run(tmp_path, "gem", seed, [one] * 3)
        write_run(tmp_path, "er", seed, [two] * 3)
    rows = build([tmp_path], baseline="method=single").differences.to_dict("records")
    small, large = sorted(rows, key=lambda row: row["acc_p"])
    assert small["acc_p_holm"] == pytest.approx(2 * small["acc_p"])
    assert large["acc_p_holm"] == pytest.approx(large["acc_p"])


def test_too_few_pairs_are_told(tmp_path):
    for seed in range(5):
        for method, acc in (("single", 0.3), ("gem", 0.5), ("er", 0.7)):
            write_run(tmp_path, method, seed, [acc + seed**2 / 100] * 3)
    told = build([tmp_path], baseline="method=single", test="wilcoxon").notes
    assert any(
        "5 pairs of seeds cannot give a p below 0.0625 (0.125 after Holm's correction of 2)" in note
        for note in told
    )
    assert build([tmp_path], baseline="method=single").notes == []
