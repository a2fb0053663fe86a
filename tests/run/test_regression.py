"""Runs with numbers as targets, from the command line to the record."""

import json

import numpy as np
import pytest
import torch
from cut_runs import interrupted, result
from pydantic import TypeAdapter, ValidationError
from small_runs import METHODS, small

from cl_bench.config.choices import implementation
from cl_bench.config.compose import config_of
from cl_bench.config.pairing import needs
from cl_bench.errors import Diverged
from cl_bench.files.untrusted import Damaged
from cl_bench.results.measure import read_measure
from cl_bench.results.record import read_accuracy
from cl_bench.run.build import prepare
from cl_bench.run.evaluate import evaluate
from cl_bench.run.execute import execute
from cl_bench.run.state import Accuracy

ANY_OUTPUT = [m for m in METHODS if "classes" not in needs("method", implementation("method", m))]
STREAM = (
    "dataset=digits_angles", "dataset.task_identity=test", "dataset.tasks=5",
    "dataset.samples_per_task=30", "dataset.views=1",
)  # fmt: skip


def words(method: str, *more: str) -> list[str]:
    found = small(method, *STREAM, "dataset.tasks=5", *more)
    if method == "multimodal":
        found.append("model=multimodal")
    return [
        word for word in found if word not in ("dataset=digits_permutations", "dataset.tasks=3")
    ]


def run_of(method: str, *more: str):
    return prepare(config_of(words(method, *more)))


def test_the_loss_is_the_mean_squared_error_over_outputs():
    run = run_of("single")
    outputs, targets = torch.tensor([[1.0], [0.5]]), torch.tensor([[0.0], [2.0]])
    assert run.scenario.loss(outputs, targets, 0).tolist() == [1.0, 2.25]
    two = torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]])
    assert run.scenario.loss(*two, 0).tolist() == [2.5]  # (1 + 4) / 2


def test_r2_is_one_less_the_share_of_the_spread_that_is_left():
    scenario = run_of("single").scenario
    labels = torch.tensor([[1.0], [2.0], [3.0], [6.0]])  # mean 3, squares 4 + 1 + 0 + 9 = 14
    answers = torch.tensor([[1.0], [4.0], [3.0], [5.0]])  # squared errors 0 + 4 + 0 + 1 = 5
    tally = scenario.tally(answers, labels, 0)
    assert tally.tolist() == [5.0]
    assert scenario.score(tally.tolist(), labels) == pytest.approx(1 - 5 / 14)
    mean = scenario.tally(torch.full((4, 1), 3.0), labels, 0).tolist()
    assert scenario.score(mean, labels) == 0.0
    worse = scenario.tally(torch.full((4, 1), 9.0), labels, 0).tolist()  # 64 + 49 + 36 + 9 = 158
    assert scenario.score(worse, labels) == pytest.approx(1 - 158 / 14)
    # of several numbers the mean: 1 - 5/14 and 0
    both = torch.cat([labels, labels], 1)
    tally = scenario.tally(torch.cat([answers, torch.full((4, 1), 3.0)], 1), both, 0).tolist()
    assert scenario.score(tally, both) == pytest.approx((1 - 5 / 14) / 2)


def test_tests_are_of_the_tasks_own_targets():
    run = run_of("single")
    for parameter in run.method.net.parameters:
        parameter.data.zero_()
    run.method.net.parameters[-1].data.fill_(0.25)
    found = evaluate(run)
    for task in run.stream.tasks:
        y = run.stream.test.labels[task.test].double().numpy()
        wanted = 1 - ((y - 0.25) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        assert found[task.index] == pytest.approx(wanted, rel=1e-12)


def test_outputs_that_are_not_finite_end_the_run():
    run = run_of("single")
    run.method.net.parameters[-1].data.fill_(torch.inf)
    with pytest.raises(Diverged, match=r"the outputs for classes 0-1 are no longer finite; lower"):
        evaluate(run)


@pytest.mark.parametrize("method", ANY_OUTPUT)
def test_every_method_that_needs_no_classes_learns_and_goes_on_to_the_bit(tmp_path, method):
    cfg = config_of(words(method))
    execute(cfg, tmp_path / "whole", show_bar=False)
    interrupted(cfg, tmp_path / "cut", 8)
    execute(cfg, tmp_path / "cut", show_bar=False)
    assert result(tmp_path / "cut") == result(tmp_path / "whole")
    assert np.isfinite(read_accuracy(tmp_path / "whole")[1]).all()


def test_ewc_squares_the_gradient_of_the_squared_error():
    run = run_of("ewc", "method.fisher=empirical")
    net = run.method.net
    x, y = next(run.stream.train_batches(run.stream.tasks[0]))
    wanted = torch.zeros_like(net.theta)
    for one_x, one_y in zip(x.split(1), y.split(1), strict=True):
        wanted += net.gradient((net(one_x) - one_y).square().sum()).square() / len(y)
    torch.testing.assert_close(run.method.fisher(x, y, 0), wanted)


def test_mas_holds_what_the_number_depends_on():
    run = run_of("mas")
    net = run.method.net
    (x,) = run.stream.inputs(run.stream.tasks[0], "train")
    wanted = torch.zeros_like(net.theta)
    for one in x.split(1):
        wanted += net.gradient(net(one).square().sum()).abs() / len(x)
    torch.testing.assert_close(run.method.importance(run.stream.tasks[0]), wanted)


LEARNED = ("dataset=digits_angles", "dataset.epochs=2", "dataset.tasks=5", "method.lr=0.05",
           "device=cpu", "device.threads=1")  # fmt: skip


def test_the_command_line_tells_r2_everywhere(inline, tmp_path):
    runs = []
    for method in ("single", "mas"):
        code, out, err = inline(f"method={method}", *LEARNED)
        assert code == 0, err
        assert out.startswith("Test R² in % on each task (columns) after learning each (rows)\n")
        assert "mean R² after the last task" in out
        assert "accuracy" not in out + err
        assert "R² so far" in err
        runs.append(tmp_path / out.splitlines()[-1])
    single = runs[0]
    _, matrix = read_accuracy(single)
    assert read_measure(single).name == "R²"
    assert matrix[0].min() < 0 < 0.5 < matrix[1, 0]
    metrics = json.loads((single / "metrics.json").read_text())
    assert metrics["acc"] == matrix[-1].mean()
    assert metrics["bwt"] == pytest.approx((matrix[-1] - matrix[1:].diagonal())[:-1].mean())
    assert "Test R² in %" in (single / "summary.md").read_text()
    _, out, _ = inline("ls", "runs", "outputs")
    assert out.count("R² ") == 2
    code, out, err = inline("report", "outputs")
    assert code == 0, err
    assert out.startswith("R²\n")
    assert "ACC" not in out
    assert inline("report", "outputs", "--out", "r.html", "--figures", "figures")[0] == 0
    assert inline("report", "outputs", "--publish", "page")[0] == 0
    page = (tmp_path / "r.html").read_text()
    assert "R² matrices" in page
    assert "test R²" in page
    assert "ccuracy matri" not in page
    card = next((tmp_path / "page" / "runs").glob("*/README.md")).read_text()
    assert "Test R² in %" in card
    code, out, err = inline("report", "--merge", "page")  # negative values are read, too
    assert code == 0, err
    assert out.startswith("R²\n")


def test_a_line_of_a_sweep_says_what_it_tells(inline):
    for dataset, told in (("digits_angles", "R² "), ("digits_split", "ACC ")):
        words = ("method=single", f"dataset={dataset}", "dataset.tasks=2", "seed=0")
        code, out, err = inline("-m", *words, "device=cpu", "plots=false")
        assert code == 0, err
        (line,) = [line for line in out.splitlines() if line.startswith("[1/1] ")]
        assert told in line


def test_a_report_of_both_kinds_says_so(inline):
    inline("method=single", *LEARNED, "dataset.epochs=1", "plots=false")
    inline("method=single", "dataset=digits_split", "device=cpu", "plots=false")
    code, out, err = inline("report", "outputs")
    assert code == 0, err
    assert "Accuracy or R²" in out
    assert "ACC or R²" in out


def test_values_that_are_no_r2_are_damage(tmp_path):
    cfg = config_of(words("single"))
    execute(cfg, tmp_path / "run", show_bar=False)
    table = tmp_path / "run" / "accuracy.csv"
    good = table.read_text()
    for bad in ("1.5", "-inf", "nan"):
        lines = good.splitlines()
        lines[1] = ",".join([bad, *lines[1].split(",")[1:]])
        table.write_text("\n".join(lines) + "\n")
        with pytest.raises(Damaged, match="values that are no values of R²"):
            read_accuracy(tmp_path / "run")


def test_tests_within_tasks_may_be_negative(tmp_path):
    cfg = config_of(words("single", "evaluate_every=1"))
    execute(cfg, tmp_path / "run", show_bar=False)
    from cl_bench.api.result import Result
    from cl_bench.results.curves import read_curve

    result = Result(tmp_path / "run")
    assert "R² " in repr(result)
    curve = read_curve(tmp_path / "run", 5, 5, read_measure(tmp_path / "run"))
    assert np.nanmin(curve.accuracy) < 0


def test_numbers_are_predicted(inline, tmp_path):
    code, out, err = inline("method=single", *LEARNED, "quiet=true")
    run = out.splitlines()[-1]
    built = prepare(config_of(["method=single", *LEARNED]))
    task = built.stream.tasks[1]
    x = built.stream.test.images[task.test].numpy()
    y = built.stream.test.labels[task.test].numpy()
    np.savez(tmp_path / "new.npz", x=x, y=y)
    code, out, err = inline("predict", run, "new.npz", "--task", "2")
    assert code == 0, err
    _, matrix = read_accuracy(tmp_path / run)
    assert f"R² {matrix[-1, 1]:.4f} on {len(x)} samples of task 2" in out
    assert np.load(tmp_path / "predictions.npz")["y"].shape == (len(x), 1)
    np.savez(tmp_path / "new.npz", x=x, y=np.array(["a"] * len(x)))
    code, out, err = inline("predict", run, "new.npz")
    assert code == 2
    assert "the run's targets are 1 number for each input" in err


def test_show_tells_the_range_of_targets(inline):
    code, out, err = inline("show", "dataset=digits_angles")
    assert code == 0, err
    assert "training targets" in out
    assert "-1.00 to 1.00, mean" in out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["method=icarl"], "method=icarl needs targets that are classes"),
        (["method=mas", "method.importance_classes=[1]"], "has no classes; set it to null"),
        (["method=single", "dataset.max_degrees=181"], "dataset.max_degrees=181"),
        (["method=single", "dataset.views=0"], "dataset.views=0"),
        (["method=mer", "method.kernel=compiled"], "the compiled inner loop is for classes"),
    ],
)
def test_what_cannot_be_is_one_sentence(inline, more, told):
    code, _, err = inline("dataset=digits_angles", *more)
    assert code == 2
    assert told in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 1.5])
def test_a_checkpoint_holds_no_such_value(value):
    with pytest.raises(ValidationError):
        TypeAdapter(Accuracy).validate_python(value)
    assert TypeAdapter(Accuracy).validate_python(-3.0) == -3.0
