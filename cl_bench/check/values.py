"""Values of a run at two times: copied, compared to the bit, and the process's random numbers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

PLAIN = (Tensor, np.ndarray, int, float, str, bool, list, tuple, dict, type(None))


def plain_values(method: Any) -> dict[str, Any]:
    """The attributes that hold plain values, as they are now."""
    return {k: copied(v) for k, v in vars(method).items() if isinstance(v, PLAIN)}


def copied(value: Any) -> Any:
    """The same with arrays of its own."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [copied(part) for part in value]
    return value


def same(one: Any, two: Any) -> bool:
    """Equal numbers of equal type and shape throughout, NaN equal to NaN."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        if (one.shape, one.dtype) != (two.shape, two.dtype):
            return False
        return bool(((one == two) | (one.isnan() & two.isnan())).all())
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        return np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    kinds = (Tensor, np.ndarray)
    if isinstance(one, kinds) or isinstance(two, kinds):
        return False
    return type(one) is type(two) and one == two


def nan_in(state: Any, method: Any) -> str:
    """The sentence for state, or a number of the method's own, that is NaN."""

    def has_nan(value: Any) -> bool:
        if isinstance(value, Tensor):
            return bool(torch.isnan(value).any()) if value.is_floating_point() else False
        if isinstance(value, dict):
            return any(map(has_nan, value.values()))
        if isinstance(value, list | tuple):
            return any(map(has_nan, value))
        return isinstance(value, float) and value != value

    bad = [name for name, value in {**state, **method.metrics()}.items() if has_nan(value)]
    return f"NaN in {', '.join(bad)} after the last task" if bad else ""


def seed_globally(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def global_state() -> dict[str, Any]:
    return {
        "torch": torch.get_rng_state(),
        "numpy.random": np.random.get_state(),
        "random": random.getstate(),
    }


def restore_globally(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    np.random.set_state(state["numpy.random"])
    random.setstate(state["random"])
