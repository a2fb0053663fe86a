"""Named random streams: one seed, independent generators per purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def generator(seed: int, *name: object) -> torch.Generator:
    """A CPU generator that depends on ``seed`` and the stream's name alone.

    The purposes in use are ``tasks``, ``task order``, ``order`` (of samples), ``augment``,
    ``init``, ``method`` and ``evaluation`` (which tasks). Draws are made on the
    CPU whatever the device, so that a run sees the same numbers everywhere.
    """
    import torch

    text = "/".join(str(part) for part in (seed, *name))
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Within the block PyTorch's global random numbers are those of ``generator``.

    So any module, whoever wrote it, is initialised from the run's seed; outside nothing changes.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator.get_state())
        yield
        generator.set_state(torch.get_rng_state())
