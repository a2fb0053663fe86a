import threading

import pytest
import torch

from cl_bench.network.workers import Workers


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_pieces(count):
    workers = Workers(count)
    assert workers.map(lambda piece: piece * piece, range(20)) == [n * n for n in range(20)]
    assert workers.map(lambda piece: piece, []) == []


def test_pieces_are_computed_at_the_same_time():
    both = threading.Barrier(2)  # passed only if two threads wait at it
    assert Workers(2).map(lambda piece: both.wait() >= 0, range(2)) == [True, True]


def test_one_thread_is_the_callers():
    mine = threading.get_ident()
    assert set(Workers(1).map(lambda piece: threading.get_ident(), range(5))) == {mine}


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_every_piece_has_the_callers_mode_and_one_thread_for_its_kernels(mode):
    both = threading.Barrier(2)

    def look(piece):
        both.wait()
        return (
            torch.is_inference_mode_enabled(), torch.is_grad_enabled(), torch.get_num_threads()
        )  # fmt: skip

    with mode():
        here = torch.is_inference_mode_enabled(), torch.is_grad_enabled(), 1
        assert Workers(2).map(look, range(2)) == [here, here]


def test_an_error_is_raised_and_the_rest_is_left():
    done = []

    def work(piece):
        if piece == 0:
            raise ValueError("the first")
        done.append(piece)

    workers = Workers(3)
    with pytest.raises(ValueError, match="the first"):
        workers.map(work, range(10_000))
    assert len(done) < 9_999
    assert workers.map(lambda piece: piece, [1, 2]) == [1, 2]  # they go on afterwards
