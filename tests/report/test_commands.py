import shlex

import yaml

from cl_bench.config.compose import config_of
from cl_bench.report.collect import read_run
from cl_bench.report.commands import Commands
from cl_bench.results.record import RunRecord


def recorded(tmp_path, name, *words):
    """A run that was begun by a command, and its configuration."""
    cfg = config_of(words)
    RunRecord(tmp_path / name).start(cfg.model_dump(mode="json"))
    return read_run(tmp_path / name), cfg


def test_a_run_is_made_again_by_its_command(tmp_path):
    for number, words in enumerate(
        (
            ["method=gem", "dataset=digits_permutations"],
            ["method=single", "dataset=digits_split", "seed=3"],
            ["method=gem", "dataset=digits_permutations", "memory.size=100", "method.margin=0",
             "model.hidden=[10,20]", "dataset.samples_per_task=null"],
            ["method=apd-fixed", "dataset=mnist_split"],
            ["method=er", "dataset=digits_permutations", "memory=ring", "dataset.seed=7"],
            ["method=single", "dataset=digits_permutations", "evaluate=seen", "evaluate_tasks=2",
             "device.precision=bf16"],
            ["method=single", "dataset=npz", "dataset.path='my data (1).npz'"],
        )
    ):  # fmt: skip
        run, cfg = recorded(tmp_path, f"run{number}", *words)
        command = Commands().of([run])
        again = config_of(shlex.split(command)[1:])
        assert again.identity() == cfg.identity(), command


def test_what_is_the_default_is_not_said(tmp_path):
    words = ["method=gem", "dataset=digits_permutations", "memory.size=100"]
    run, _ = recorded(tmp_path, "run", *words)
    assert Commands().of([run]) == shlex.join(["cl-bench", *words])


def test_seeds_are_a_sweep(tmp_path):
    words = ["method=single", "dataset=digits_permutations"]
    runs = [recorded(tmp_path, f"r{s}", *words, f"seed={s}")[0] for s in (0, 1, 2, 4)]
    tell = Commands().of
    start = "cl-bench -m method=single dataset=digits_permutations "
    assert tell(runs[:3]) == start + "'seed=range(3)'"
    assert tell(runs[1:3]) == start + "'seed=range(1,3)'"
    assert tell(runs) == start + "seed=0,1,2,4"


def test_no_command_is_made_up(tmp_path):
    run, _ = recorded(tmp_path, "run", "method=single", "dataset=digits_permutations")
    other, _ = recorded(tmp_path, "other", "method=gem", "dataset=digits_permutations")
    assert Commands().of([run, other]) == ""  # averaged over methods
    file = tmp_path / "run" / "config.yaml"
    config = yaml.safe_load(file.read_text())
    for name in ("nobody", "../method/gem", "gem,single", "$(touch x)"):
        file.write_text(yaml.safe_dump({**config, "method": {"name": name}}))
        assert Commands().of([read_run(tmp_path / "run")]) == ""
    file.unlink()
    assert Commands().of([read_run(tmp_path / "run")]) == ""
