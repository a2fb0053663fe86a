"""State by name: an object names what its later behaviour depends on, and that is kept whole."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor


class Stateful:
    """Its state are the attributes that ``kept`` names, in this class and all that it derives from.

    An attribute may be a tensor, a generator, None, a number, text, an object with a
    ``state_dict`` of its own, or lists and dicts (with text as keys) of these. What is not named is
    made anew by the constructor.
    """

    kept: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def all_kept(cls) -> list[str]:
        """The names of every class in the line, the base's first."""
        lines = (vars(base).get("kept", ()) for base in reversed(cls.__mro__))
        return list(dict.fromkeys(name for line in lines for name in line))

    def state_dict(self) -> dict[str, Any]:
        """All state that later behaviour depends on. Tensors are not copied."""
        return {name: _keep(getattr(self, name)) for name in self.all_kept()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where the object that gave ``state`` stood; KeyError if a name is missing.

        A tensor of the same shape is written into, so that views of it stay views.
        """
        device = getattr(self, "device", None)
        for name in self.all_kept():
            setattr(self, name, _restored(getattr(self, name), state[name], device))


def _keep(value: Any) -> Any:
    if isinstance(value, torch.Generator):
        return value.get_state()
    if not isinstance(value, Tensor) and hasattr(value, "state_dict"):
        return value.state_dict()
    if isinstance(value, dict):
        return {key: _keep(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_keep(part) for part in value]
    return value


def _restored(now: Any, saved: Any, device: torch.device | None) -> Any:
    """``saved`` in the place of ``now``, on its device; on ``device`` where there was no tensor."""
    if isinstance(now, torch.Generator):
        now.set_state(saved.cpu())
    elif isinstance(now, Tensor):
        if saved is None or now.shape != saved.shape:
            return None if saved is None else saved.to(now.device, now.dtype, copy=True)
        now.copy_(saved)
    elif hasattr(now, "load_state_dict"):
        now.load_state_dict(saved)
    elif isinstance(saved, Tensor):
        return saved.to(device, copy=True)
    elif isinstance(saved, dict):
        now = now if isinstance(now, dict) else {}
        return {key: _restored(now.get(key), part, device) for key, part in saved.items()}
    elif isinstance(saved, list):
        now = now if isinstance(now, list) and len(now) == len(saved) else [None] * len(saved)
        return [_restored(a, b, device) for a, b in zip(now, saved, strict=True)]
    else:
        return saved
    return now
