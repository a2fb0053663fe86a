"""The single runs that a sweep's command line asks for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from cl_bench.config.compose import explain
from cl_bench.errors import UsageError


def combinations(overrides: Sequence[str], sweep: bool) -> list[list[str]]:
    """The command lines of the single runs, in the order in which a sweep makes them."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise UsageError(explain(error, overrides)) from None
    choices = []
    for override in parsed:
        if not override.is_sweep_override():
            choices.append([override.input_line])
        elif not sweep:
            raise UsageError(f"{override.input_line}: several values need a sweep; add -m")
        elif not (override.is_discrete_sweep()):
            raise UsageError(f"{override.input_line}: only lists and ranges can be counted")
        else:
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
    return [list(words) for words in itertools.product(*choices)]
