"""Python values as the words of a command line: there is one way to compose a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cl_bench.errors import UsageError

# a word that Hydra's grammar takes as text without quotes
_PLAIN = re.compile(r"[A-Za-z_/.~][\w./+@-]*")
_NO_TEXT = {"null", "true", "false", "nan", "inf"}


def words_of(options: Mapping[str, Any]) -> list[str]:
    """``KEY=VALUE`` for each option of one run."""
    return [f"{key}={value_word(key, value)}" for key, value in options.items()]


def swept_words(options: Mapping[str, Any]) -> list[str]:
    """The same for a sweep: a list, tuple, range or array holds the values that an option takes."""
    found = []
    for key, value in options.items():
        if not _is_list(value):
            found.append(f"{key}={value_word(key, value)}")
            continue
        values = [value_word(key, one) for one in value]
        if not values:
            raise UsageError(f"{key}: there is nothing to sweep over; the list is empty")
        found.append(f"{key}={','.join(values)}")
    return found


def value_word(key: str, value: Any) -> str:
    """``value`` as an override has it; a :class:`UsageError` for what no option can be."""
    if hasattr(value, "tolist"):  # a number or an array of NumPy's or PyTorch's
        value = value.tolist()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return _text(str(value))
    if isinstance(value, Mapping):
        inner = (f"{_text(str(k))}: {value_word(key, v)}" for k, v in value.items())
        return f"{{{', '.join(inner)}}}"
    if _is_list(value):
        return f"[{', '.join(value_word(key, one) for one in value)}]"
    raise UsageError(
        f"{key}: takes numbers, text, lists of these and None, not {type(value).__name__}"
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _NO_TEXT:
        return value
    # of a quoted text only a quote, and backslashes right before one, have to be escaped
    escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + (r"\'" if m[2] else ""), value)
    return f"'{escaped}'"
