"""A finished run taken up again, to be asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.errors import RunError
from cl_bench.files.untrusted import Damaged, clean, read_status, read_yaml

if TYPE_CHECKING:
    import numpy as np

    from cl_bench.run.build import Run


def check_finished(directory: Path) -> None:
    """A :class:`RunError` if the run in ``directory`` is not finished."""
    state, message, _ = read_status(directory)
    if state != "finished":
        reason = f"{state}: {message}" if message else state
        raise RunError(
            f"{directory} is not a finished run ({reason}); name one that cl-bench ls runs shows "
            "as finished"
        )


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

    # what a model answers is float32's, whatever it was tested in
    here = {"tracker": {"name": "none"}, "device": {"name": "auto", "threads": None}}
    run = prepare(check_run({**config_of_today(values), **here}), recorded=True)
    try:
        saved, _ = read_state(directory / MODEL)
        run.method.load_state_dict(state_of_today(saved, run.method))
    except FileNotFoundError:
        raise RunError(f"{directory} has no {MODEL}; run it again with force=true") from None
    except OSError as error:
        raise RunError(f"{directory / MODEL}: {error.strerror}") from None
    except Exception as error:
        # whatever a foreign file makes of the state's own loading
        raise RunError(f"{directory / MODEL} cannot be used: {clean(error)}") from None
    if not run.method.finite():
        raise RunError(
            f"{directory / MODEL} has parameters that are not finite (NaN or infinity); "
            "name another run, or run it again with force=true"
        )
    for task in run.stream.stays:
        run.pass_over(task)
    return run


def predict(run: Run, x: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Labels of the dataset, int64 (n,), for inputs x (n, *input_shape) as the dataset has them; of
    a run whose targets are numbers these, float32 (n, C).

    ``positions`` (n,) are the tasks of the inputs, from 0 in the order of the stream. -1 stands
    for an output that means nothing in its task.
    They are shown as the task shows its inputs; the method is told the task as in the run's tests.
    """
    import numpy as np
    import torch

    from cl_bench.run.unlabelled import as_the_data
    from cl_bench.streams.base import EVALUATION_BATCH

    stream = run.stream
    split = as_the_data(stream, x)
    run.method.train(False)
    numbers = run.scenario.numbers
    found = (
        np.empty((len(x), stream.classes), dtype=np.float32)
        if numbers
        else np.empty(len(x), dtype=np.int64)
    )
    with torch.inference_mode():
        for position in np.unique(positions).tolist():
            task = stream.tasks[position]
            labels = np.array(stream.labels_of(task))
            rows = (positions == position).nonzero()[0]
            for start in range(0, len(rows), EVALUATION_BATCH):
                block = rows[start : start + EVALUATION_BATCH]
                inputs = task.transform(split, torch.from_numpy(block).to(run.device))
                logits = run.method.logits(inputs, run.scenario.in_tests(task))
                if numbers:
                    found[block] = logits.cpu().numpy()
                    continue
                chosen = run.scenario.mask(logits, task.index).argmax(1)
                found[block] = labels[chosen.cpu().numpy()]
    return found
