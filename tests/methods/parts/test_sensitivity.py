import torch
from torch import nn

from cl_bench.methods.parts.sensitivity import Sensitivity, whole_batches
from cl_bench.network.linear_stack import stack_of
from cl_bench.network.theta import Network


def measured(absolute, weights, blocks, visible=None):
    """Of a linear layer 2 -> 2 with W = [[1, 0], [0, 2]] and no bias, in batches of two inputs."""
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        layer.bias.zero_()
    net = Network(stack_of([layer]), torch.device("cpu"))
    total = torch.zeros(net.size)
    count = Sensitivity(net, "global", absolute, 2, weights).add(blocks, visible, total)
    return total.tolist(), count


def test_by_hand():
    """∂‖Wx‖²/∂W = 2 (Wx) xᵀ and ∂‖Wx + b‖²/∂b = 2 Wx: of (1, 1) they are [2 2; 4 4] and (2, 4), of
    (1, -1) they are [2 -2; -4 4] and (2, -4)."""
    x = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    assert measured("sample", "inputs", [x]) == ([4, 4, 8, 8, 4, 8], 2)
    assert measured("batch", "inputs", [x]) == ([4, 0, 0, 8, 4, 0], 2)
    visible = torch.tensor([True, False])
    assert measured("sample", "inputs", [x], visible) == ([4, 4, 0, 0, 4, 0], 2)


def test_a_smaller_batch_counts_by_its_inputs_or_as_another():
    blocks = [torch.ones(1, 2), torch.ones(2, 2)]  # two batches: two inputs, and the last
    one = [2, 2, 4, 4, 2, 4]
    assert measured("batch", "inputs", blocks) == ([3 * value for value in one], 3)
    assert measured("batch", "equal", blocks) == ([4 * value for value in one], 4)


def test_whole_batches_keep_every_input_in_order():
    blocks = list(torch.arange(23).split(5))
    assert [x.tolist() for x in whole_batches(blocks, 4)] == [
        list(range(4)),
        list(range(4, 8)),
        list(range(8, 12)),
        list(range(12, 20)),
        list(range(20, 23)),
    ]
    assert [len(x) for x in whole_batches(blocks, 100)] == [23]
    assert [len(x) for x in whole_batches(blocks, 1)] == [5, 5, 5, 5, 3]
