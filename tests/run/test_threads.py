"""No result depends on the number of threads: the same bits with one, two and three."""

import pytest
import torch
from small_runs import METHODS, small

from cl_bench.config.compose import config_of
from cl_bench.run import learn as learning
from cl_bench.run.build import prepare
from cl_bench.run.progress import Progress


def tensors(state):
    """Every tensor in what a method keeps."""
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict | list):
        for part in state.values() if isinstance(state, dict) else state:
            yield from tensors(part)


def outcome(arguments, threads):
    cfg = config_of([*arguments, f"device.threads={threads}"])
    run = prepare(cfg)
    assert run.workers.count == threads
    matrix, _ = learning.learn(run, Progress([1] * len(run.stream.tasks), bar=False))
    assert torch.get_num_threads() == 1
    return matrix.tolist(), list(tensors(run.method.state_dict()))


CASES = {method: small(method) for method in METHODS} | {
    "mas, local": small("mas", "method.scope=local"),
    "mas, each sample": small("mas", "method.absolute=sample"),
    "ewc, each sample": small("ewc", "method.fisher=empirical", "method.fisher_samples=60"),
    "rotations": small("gem", "dataset=digits_rotations"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_with_any_number_of_threads(case):
    matrix, state = outcome(CASES[case], 1)
    for threads in (2, 3):
        others, same = outcome(CASES[case], threads)
        assert others == matrix
        assert len(state) == len(same)
        assert all(torch.equal(a, b) for a, b in zip(state, same, strict=True))
