import pytest
import torch

from cl_bench.methods.parts.task_buffer import TaskBuffer


def test_it_keeps_the_first_samples_until_it_is_cleared():
    buffer = TaskBuffer(torch.device("cpu"))
    buffer.clear(5)
    with pytest.raises(RuntimeError, match="no sample"):
        _ = buffer.samples
    for start in (0, 4, 8):
        values = torch.arange(start, start + 4)
        buffer.add(values[:, None].float(), values)
    x, y = buffer.samples
    assert y.tolist() == [0, 1, 2, 3, 4]
    assert x.flatten().tolist() == [0, 1, 2, 3, 4]
    buffer.clear(2)
    assert buffer.count == 0


def test_it_goes_on_from_its_state():
    buffer, other = TaskBuffer(torch.device("cpu")), TaskBuffer(torch.device("cpu"))
    buffer.clear(5)
    other.load_state_dict(buffer.state_dict())
    assert (other.size, other.count) == (5, 0)
    buffer.add(torch.ones(3, 2, 2), torch.tensor([7, 8, 9]))
    other.load_state_dict(buffer.state_dict())
    other.add(torch.zeros(3, 2, 2), torch.tensor([1, 2, 3]))
    assert other.samples[1].tolist() == [7, 8, 9, 1, 2]
    assert buffer.samples[1].tolist() == [7, 8, 9]
