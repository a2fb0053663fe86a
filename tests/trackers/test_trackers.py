import json
import sys
from pathlib import Path

import pytest
from conftest import DIGITS

from cl_bench.results.record import RunRecord
from cl_bench.trackers.base import Tracker, flat, numbers, scalars

SHORT = (
    "method=single", "method.lr=0.1", DIGITS, "dataset.tasks=3", "dataset.samples_per_task=60",
    "plots=false", "-q",
)  # fmt: skip


def run_directory(out: str, tmp_path: Path) -> Path:
    return tmp_path / out.splitlines()[-1]


def test_scalars_of_a_row():
    found = scalars(2, [0.5, 0.7, 0.1], {"seconds_train": 1.0, "seconds_eval": 2.0})
    assert found["accuracy/mean_of_seen"] == pytest.approx(0.6)
    assert found["accuracy/task_003"] == 0.1
    assert found["time/seconds_train"] == 1.0


def test_final_metrics_are_numbers_only():
    assert numbers({"acc": 1, "bwt": None}) == {"final/acc": 1.0}


def test_flat():
    assert flat({"method": {"lr": 1}, "seed": 0}) == {"method.lr": 1, "seed": 0}


def test_a_tracker_is_no_part_of_a_run(inline, tmp_path):
    plain = run_directory(inline(*SHORT)[1], tmp_path)
    content = (plain / "accuracy.csv").read_bytes()
    code, out, error = inline(*SHORT, "tracker=tensorboard", "force=true")
    assert code == 0, error
    assert run_directory(out, tmp_path) == plain
    assert (plain / "accuracy.csv").read_bytes() == content


def test_tensorboard_has_every_row(inline, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    code, out, error = inline(*SHORT, "tracker=tensorboard")
    assert code == 0, error
    directory = run_directory(out, tmp_path)
    events = EventAccumulator(str(directory / "tensorboard"))
    events.Reload()
    seen = events.Scalars("accuracy/mean_of_seen")
    metrics = json.loads((directory / "metrics.json").read_text())
    assert [event.step for event in seen] == [1, 2, 3]
    assert seen[-1].value == pytest.approx(metrics["acc"])
    assert events.Scalars("final/acc")[0].value == pytest.approx(metrics["acc"])
    assert "config/text_summary" in events.Tags()["tensors"]


def test_tensorboard_logs_elsewhere(inline, tmp_path):
    _, out, _ = inline(*SHORT, "tracker=tensorboard", f"tracker.logs={tmp_path / 'logs'}")
    assert list((tmp_path / "logs" / run_directory(out, tmp_path).name).iterdir())


def test_a_diverged_run_is_closed(inline, tmp_path):
    code, _, error = inline(*SHORT, "method.lr=1e30", "tracker=tensorboard")
    assert code == 1
    assert "lower method.lr" in error
    assert list(tmp_path.glob("outputs/*/tensorboard/*"))


@pytest.mark.parametrize(("full", "state"), [(True, "failed"), (False, "finished")])
def test_the_end_is_told_once_also_when_results_cannot_be_written(inline, monkeypatch, full, state):
    def no_space(*arguments):
        raise OSError(28, "No space left on device")

    told = []
    monkeypatch.setattr(Tracker, "begin", lambda self, *arguments: told.append("begin"))
    monkeypatch.setattr(Tracker, "end", lambda self, state, metrics: told.append(state))
    if full:
        monkeypatch.setattr(RunRecord, "write", no_space)
    code, _, error = inline(*SHORT)
    assert code == int(full), error
    assert told == ["begin", state]


@pytest.mark.parametrize(
    ("tracker", "module"), [("mlflow", "mlflow"), ("wandb", "wandb"),
                            ("tensorboard", "torch.utils.tensorboard")],
)  # fmt: skip
def test_a_missing_package_names_its_extra(inline, tmp_path, monkeypatch, tracker, module):
    monkeypatch.setitem(sys.modules, module, None)
    code, _, error = inline(*SHORT, f"tracker={tracker}")
    assert code == 2
    assert f"pip install 'cl-bench[{tracker}]'" in error
    assert not (tmp_path / "outputs").exists()


@pytest.mark.trackers
def test_mlflow_has_every_row(inline, tmp_path):
    import mlflow

    code, out, error = inline(*SHORT, "tracker=mlflow", f"outputs={tmp_path / 'runs'}")
    assert code == 0, error
    directory = Path(out.splitlines()[-1])
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    run = client.get_run(json.loads((directory / "mlflow.json").read_text())["run"])
    metrics = json.loads((directory / "metrics.json").read_text())
    assert run.info.status == "FINISHED"
    assert run.info.run_name == directory.name
    assert run.data.params["method.lr"] == "0.1"
    assert run.data.metrics["final/acc"] == pytest.approx(metrics["acc"])
    history = client.get_metric_history(run.info.run_id, "accuracy/mean_of_seen")
    assert [point.step for point in history] == [1, 2, 3]


@pytest.mark.trackers
def test_mlflow_goes_on_in_the_same_run(inline, tmp_path):
    words = (*SHORT, "tracker=mlflow", f"outputs={tmp_path / 'runs'}")
    directory = Path(inline(*words)[1].splitlines()[-1])
    first = (directory / "mlflow.json").read_text()
    assert inline(*words, "force=true")[0] == 0
    assert (directory / "mlflow.json").read_text() == first


@pytest.mark.trackers
def test_mlflow_with_a_store_that_cannot_be(inline):
    code, _, error = inline(*SHORT, "tracker=mlflow", "tracker.uri=nonsense://x")
    assert code == 2
    assert "tracker.uri=nonsense://x" in error
    assert "Traceback" not in error


@pytest.mark.trackers
def test_wandb_offline(cli, tmp_path):
    # a process of its own: W&B's helper process ends with the one that started it
    done = cli(*SHORT, "tracker=wandb", f"outputs={tmp_path / 'runs'}")
    assert done.returncode == 0, done.stderr
    assert list(Path(done.stdout.splitlines()[-1]).glob("wandb/offline-run-*/*.wandb"))
