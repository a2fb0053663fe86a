"""Any ``nn.Module`` as a model: it need not know of cl-bench."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.config.origins import told
from cl_bench.config.registry import GIVEN
from cl_bench.config.schema import Section
from cl_bench.errors import UsageError


def build(
    cls: type[nn.Module], settings: Section, input_shape: tuple[int, ...], classes: int
) -> nn.Module:
    """The module, made with what its constructor takes: of the run's side the names in
    :data:`~cl_bench.config.registry.GIVEN`, all else from ``settings``.

    Grey pictures (H, W) are shown as (1, H, W). A :class:`UsageError` if it cannot be made, or
    gives anything but logits (n, ``classes``).
    """
    shape = (1, *input_shape) if len(input_shape) == 2 else input_shape
    side = {
        "input_shape": shape, "in_channels": shape[0], "in_features": math.prod(shape),
        "classes": classes, "num_classes": classes,
    }  # fmt: skip
    options = settings.model_dump(exclude={"name", "implementation"})
    taken = inspect.signature(cls).parameters
    who = f"model={settings.name}"
    try:
        module = cls(**options, **{key: side[key] for key in GIVEN if key in taken})
        if shape != input_shape:
            module.register_forward_pre_hook(_with_channel)
        module.eval()
        with torch.no_grad():
            out = module(torch.zeros(2, *input_shape))
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{who}: for inputs (n, {_words(shape)}): {told(error, None)}") from error
    found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
    if found != (2, classes):
        raise UsageError(
            f"{who}: for 2 inputs ({_words(shape)}) it gives {found}, it must give logits "
            f"(2, {classes}); its constructor is told them as classes or num_classes"
        )
    return module.train()


def _with_channel(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    return (inputs[0].unsqueeze(1),)


def _words(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
