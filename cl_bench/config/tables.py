"""Settings that go by others: ``${by:${memory.size},{200: 10, 500: 25, 5120: 100}}`` in a YAML.

A paper that tuned a method for several sizes of memory gives a table, not a number. A value that
is set by hand takes the place of its table, like that of any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def register() -> None:
    """Make ``by`` known to whatever resolves a config in this process."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("by", by, replace=True)


def by(*arguments: Any) -> Any:
    """``by(key, ..., table)``: the entry of the table, of the table in it for the next key, ....

    What is no table on the way is the value for all further keys. A number that the table does not
    have takes the entry nearest to it as a ratio, of two equally near the smaller; what is no
    number takes the first, as whatever checks the key itself says what is wrong with it.
    """
    if len(arguments) < 2:
        raise ValueError("${by:...}: takes keys and a table, as in ${by:${memory.size},{200: 10}}")
    *keys, found = arguments
    for key in keys:
        if not isinstance(found, Mapping):
            break
        found = found[_entry(key, found)]
    return found


def _entry(key: Any, table: Mapping[Any, Any]) -> Any:
    if key in table:
        return key
    numbers = sorted(entry for entry in table if isinstance(entry, int | float))
    if not numbers or not isinstance(key, int | float):
        return next(iter(table))
    if key <= 0:
        return numbers[0]
    return min(numbers, key=lambda entry: max(key / entry, entry / key))
