"""Passes of a module in training, several at a time, that leave behind what they would in turn.

A pass leaves BatchNorm's running statistics. Each thread has a copy of the module, with the same
parameters; what its passes leave is taken in afterwards, in their order, so that no digit depends
on the number of threads.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cl_bench.network.workers import Workers

Piece = TypeVar("Piece")
Statistics = list[tuple[Tensor, Tensor]]  # mean and variance of every norm's inputs


def able(module: nn.Module) -> bool:
    """Whether running statistics are all that a pass may leave, as far as buffers tell."""
    known = {id(buffer) for norm in _norms(module) for buffer in norm.buffers()}
    return all(id(buffer) in known for buffer in module.buffers())


def side_by_side(
    module: nn.Module,
    workers: Workers,
    work: Callable[[nn.Module, Piece], None],
    pieces: Iterable[Piece],
) -> None:
    """``work`` of every piece, with a module that it sends samples through once."""
    copies: list[nn.Module] = []  # that no thread has at the moment

    def with_a_copy(piece: Piece) -> Statistics:
        try:
            own = copies.pop()
        except IndexError:
            own = _copy(module)
        work(own, piece)
        left = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in _learning(own)]
        copies.append(own)
        return left

    for left in workers.map(with_a_copy, pieces):
        _take_in(left, module)


def _copy(module: nn.Module) -> nn.Module:
    """The same parameters, and norms whose statistics are those of the last pass alone."""
    own = copy.deepcopy(module, {id(p): p for p in module.parameters()})
    for norm in _learning(own):
        norm.momentum = 1.0
    return own


@torch.no_grad()
def _take_in(left: Statistics, module: nn.Module) -> None:
    """What a pass through ``module`` would do with its statistics."""
    for norm, (mean, variance) in zip(_learning(module), left, strict=True):
        norm.num_batches_tracked += 1
        share = norm.momentum
        if share is None:  # the mean of all passes
            share = 1 / norm.num_batches_tracked.item()
        norm.running_mean.mul_(1 - share).add_(mean, alpha=share)
        norm.running_var.mul_(1 - share).add_(variance, alpha=share)


def _norms(module: nn.Module) -> list[_BatchNorm]:
    return [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]


def _learning(module: nn.Module) -> list[_BatchNorm]:
    """The norms whose running statistics a pass changes."""
    return [norm for norm in _norms(module) if norm.training and norm.track_running_stats]
