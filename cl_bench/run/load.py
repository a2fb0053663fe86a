"""A finished run taken up again, to be asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.errors import RunError, UsageError
from cl_bench.files.untrusted import Damaged, clean, read_status, read_yaml

if TYPE_CHECKING:
    import numpy as np

    from cl_bench.run.build import Run


def check_finished(directory: Path) -> None:
    """A :class:`RunError` if the run in ``directory`` is not finished."""
    state, message, _ = read_status(directory)
    if state != "finished":
        reason = f"{state}: {message}" if message else state
        raise RunError(f"{directory} is not a finished run ({reason})")


def load(directory: Path) -> Run:
    """The run as it stood when it had finished; its dataset is fetched if it is not here.

    Nothing of the directory is executed: the config names choices of this package, and the model
    is numbers. It need not be on the kind of device that it learned on.
    """
    check_finished(directory)
    try:
        values = read_yaml(directory / "config.yaml")
    except Damaged as error:
        raise RunError(f"{directory}: {error}") from None
    from cl_bench.config.schema import check_run
    from cl_bench.files.state import read_state
    from cl_bench.run.build import prepare
    from cl_bench.run.earlier import config_of_today, state_of_today
    from cl_bench.run.execute import MODEL

    here = {"tracker": {"name": "none"}, "device": {"name": "auto", "threads": None}}
    run = prepare(check_run({**config_of_today(values), **here}), recorded=True)
    try:
        saved, _ = read_state(directory / MODEL)
        run.method.load_state_dict(state_of_today(saved, run.method))
    except FileNotFoundError:
        raise RunError(f"{directory} has no {MODEL}; run it again with force=true") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        # whatever a foreign file makes of the state's own loading
        raise RunError(f"{directory / MODEL} cannot be used: {clean(error)}") from None
    for task in run.stream.tasks:
        run.pass_over(task)
    return run


def predict(run: Run, x: np.ndarray, task: int) -> np.ndarray:
    """Class ids int64 (n,) for images x uint8 (n, *image_shape) of the task number ``task``.

    They are shown as the task shows its images; the method is told the task as in the run's tests.
    """
    import numpy as np
    import torch

    from cl_bench.streams.base import EVALUATION_BATCH
    from cl_bench.streams.split import Split

    tasks = run.stream.tasks
    if not 1 <= task <= len(tasks):
        raise UsageError(f"--task {task}: the run has the tasks 1 to {len(tasks)}")
    shape = run.stream.train.images.shape[1:]
    if x.shape[1:] != tuple(shape):
        wanted = ", ".join(map(str, shape))
        raise UsageError(f"x has the shape {x.shape}, the run needs (n, {wanted})")
    chosen = tasks[task - 1]
    split = Split(x, np.zeros(len(x), dtype=np.int64), run.device)
    run.method.train(False)
    found = []
    with torch.inference_mode():
        for start in range(0, len(x), EVALUATION_BATCH):
            inputs = chosen.transform(split, slice(start, start + EVALUATION_BATCH))
            logits = run.method.logits(inputs, run.scenario.in_tests(chosen))
            found.append(run.scenario.mask(logits, chosen.index).argmax(1).cpu())
    return torch.cat(found).numpy()
