"""The arguments of a command line, in the order and the form in which Hydra takes them."""

from __future__ import annotations

import re
from typing import NoReturn

from cl_bench.config.compose import groups
from cl_bench.errors import UsageError

SWEEP_FLAGS = ("-m", "--multirun")
OURS = ("-q", "--quiet", "--dry-run")


def in_order(arguments: list[str]) -> list[str]:
    """Overrides, ``-q`` as one of them, and then the flags: argparse wants overrides in one row.

    A :class:`UsageError` for a word that is neither.
    """
    arguments = ["quiet=true" if a in ("-q", "--quiet") else a for a in arguments]
    overrides = [word for word in arguments if _is_override(word)]
    flags = [word for word in arguments if not _is_override(word)]
    _check(flags)
    return [*(_per_job(overrides) if set(flags) & set(SWEEP_FLAGS) else overrides), *flags]


def _is_override(word: str) -> bool:
    return not word.startswith("-") and ("=" in word[1:] or word.startswith("~"))


def _check(flags: list[str]) -> None:
    """A :class:`UsageError` for what Hydra's parser would answer with its usage."""
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        raise UsageError(message)

    parser = get_args_parser()
    parser.error = refuse
    parsed, unknown = parser.parse_known_args(flags)
    for word in [*parsed.overrides, *unknown]:
        if not word.startswith("-"):
            raise UsageError(f"{word or repr(word)}: is neither GROUP=CHOICE nor KEY=VALUE")
        from cl_bench.config.schema import similar

        hint = similar(word, [*parser._option_string_actions, *OURS])
        raise UsageError(f"{word}: no such flag{hint} (see cl-bench -h, cl-bench --hydra-help)")


def _per_job(arguments: list[str]) -> list[str]:
    """In a sweep over methods, say, ``method.strength=1`` becomes a choice of one value.

    Hydra checks a plain value against the groups' defaults before it makes the jobs, where the
    default method need not have that option; the values of a sweep it leaves to the jobs.
    """
    known = groups()
    pairs = [word.partition("=") for word in arguments]
    if not any(key in known and "," in value for key, _, value in pairs):
        return arguments
    plain = re.compile(r"[\w.+-]+|\[[^\[\]]*\]")  # one word, or one list
    return [
        f"{key}=choice({value})"
        if key.partition(".")[0] in known and "." in key and plain.fullmatch(value)
        else word
        for word, (key, _, value) in zip(arguments, pairs, strict=True)
    ]
