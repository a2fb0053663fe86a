"""``--include FOLDER``: goes with every command, before or after it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress

from cl_bench.config import origins
from cl_bench.errors import UsageError

FLAG = "--include"


def include_from(arguments: Sequence[str]) -> list[str]:
    """Look for choices in the folders that the words name, too; the other words."""
    words, folders = _split(arguments)
    if "COMP_LINE" in os.environ:  # the shell's TAB hands over the whole line
        folders += _from_completion()
    origins.include(folders)
    return words


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    words, folders = [], []
    rest = iter(arguments)
    for word in rest:
        name, equals, folder = word.partition("=")
        if name != FLAG:
            words.append(word)
            continue
        folder = folder if equals else next(rest, "")
        if not folder:
            raise UsageError(f"{FLAG}: needs a folder of choices; write {FLAG} FOLDER")
        folders.append(folder)
    return words, folders


def _from_completion() -> list[str]:
    """The folders of the line that is being typed; what reads it next has it without them."""
    line = os.environ["COMP_LINE"]
    with suppress(UsageError, ValueError):  # it is not finished
        words, folders = _split(shlex.split(line))
        if folders:
            os.environ["COMP_LINE"] = shlex.join(words) + " " * line.endswith(" ")
        return folders
    return []
