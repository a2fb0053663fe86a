"""Named random streams: one seed, independent generators per purpose."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def generator(seed: int, *name: object) -> torch.Generator:
    """A CPU generator that depends on ``seed`` and the stream's name alone.

    The purposes in use are ``tasks``, ``task order``, ``order`` (of samples), ``init`` and
    ``method``. Draws are made on the
    CPU whatever the device, so that a run sees the same numbers everywhere.
    """
    import torch

    text = "/".join(str(part) for part in (seed, *name))
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
