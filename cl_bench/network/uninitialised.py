"""Layers whose values somebody else draws."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


def uninitialised(kind: type[Layer], *arguments: Any, **options: Any) -> Layer:
    """A layer of this kind with nothing drawn for it.

    As :func:`torch.nn.utils.skip_init`, which goes through the device ``meta``; the first such
    tensor has torch import a compiler and an algebra system, a quarter of its own start-up.
    """
    silent = type(kind.__name__, (kind,), {"reset_parameters": lambda layer: None})
    layer = silent(*arguments, **options)
    layer.__class__ = kind
    return layer
