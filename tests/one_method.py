"""A prepared run on a few digits, for the tests of methods."""

from cl_bench.config.compose import config_of
from cl_bench.run import learn
from cl_bench.run.build import Run, prepare

SMALL = (
    "dataset=digits_permutations",
    "dataset.tasks=4",
    "dataset.samples_per_task=60",
    "model.hidden=[12,9]",
    "device=cpu",
    "device.threads=1",
)


def small_run(*overrides: str) -> Run:
    """The run that the command line ``overrides`` would start, with small defaults."""
    return prepare(config_of([*SMALL, *overrides]))


def learn_tasks(run: Run, count: int) -> None:
    """The first ``count`` tasks of the stream, from beginning to end."""
    for task in run.stream.tasks[:count]:
        begin(run, task)
        observe(run, task)
        learn.end_task(run, task)


def begin(run: Run, task) -> None:
    run.scenario.begin_task(task)
    run.method.train(True)
    learn.begin_task(run, task)


def observe(run: Run, task, batches=None, done: int = 0) -> None:
    """All batches of the task, or those given after ``done`` of them, and the ends of passes."""
    per_pass = run.stream.batches(task) // run.stream.settings.epochs
    batches = run.stream.train_batches(task) if batches is None else batches
    for number, (x, y) in enumerate(batches, start=done + 1):
        run.method.observe(x, y, task)
        if number % per_pass == 0:
            run.method.end_epoch(task)
