"""The single runs of a sweep."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cl_bench.config.compose import parsed
from cl_bench.errors import UsageError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

MOST = 10_000  # runs of one sweep: to compose each takes some hundredths of a second


def combinations(overrides: Sequence[str], sweep: bool) -> list[list[str]]:
    """The command lines of the single runs, in the order in which a sweep makes them."""
    choices = []
    for override in parsed(overrides):
        if not override.is_sweep_override():
            choices.append([override.input_line])
        elif not sweep:
            raise UsageError(f"{override.input_line}: several values need a sweep; add -m")
        elif not override.is_discrete_sweep():
            raise UsageError(
                f"{override.input_line}: only lists and ranges can be counted; write the values "
                "themselves, or range(START,STOP,STEP)"
            )
        else:
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in _values(override)])
    _check_count(math.prod(map(len, choices)))
    return [list(words) for words in itertools.product(*choices)]


def _values(override: Override) -> list[str]:
    """The values of a sweep as words; of a range not before they are counted."""
    from hydra.core.override_parser.types import RangeSweep

    found = override.value()
    if isinstance(found, RangeSweep):
        if not found.step:
            raise UsageError(f"{override.input_line}: a range needs a step other than 0")
        _check_count((found.stop - found.start) / found.step)
    return list(override.sweep_string_iterator())


def _check_count(count: float) -> None:
    if not count <= MOST:
        told = f"{count:.0f}" if count < 1e15 else f"{min(count, 1e300):.0e}"
        raise UsageError(
            f"the sweep has {told} runs; at most {MOST} make one: split it into several"
        )
