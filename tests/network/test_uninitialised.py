import subprocess
import sys

import pytest
import torch
from conftest import environment
from torch import nn

from cl_bench.network.uninitialised import uninitialised

KINDS = {
    "linear": (nn.Linear, (5, 3), {}),
    "linear without bias": (nn.Linear, (5, 3), {"bias": False}),
    "convolution": (nn.Conv2d, (2, 4, 3), {"stride": 2, "padding": 1}),
}


@pytest.mark.parametrize("name", KINDS)
def test_it_is_such_a_layer_and_draws_nothing(name):
    kind, arguments, options = KINDS[name]
    before = torch.get_rng_state()
    layer = uninitialised(kind, *arguments, **options)
    assert torch.equal(torch.get_rng_state(), before)
    usual = kind(*arguments, **options)
    assert type(layer) is kind
    assert repr(layer) == repr(usual)
    layer.load_state_dict(usual.state_dict())
    x = torch.rand(2, 5) if kind is nn.Linear else torch.rand(2, 2, 6, 6)
    assert torch.equal(layer(x), usual(x))


def test_no_model_imports_what_meta_tensors_need():
    code = (
        "import sys; from cl_bench.run.build import prepare; "
        "from cl_bench.config.compose import config_of; "
        "prepare(config_of(['method=single', 'dataset=digits_permutations', 'device=cpu'])); "
        "print('sympy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout.strip() == "False"
