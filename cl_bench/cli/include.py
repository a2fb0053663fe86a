"""``--include FOLDER``: goes with every command, before or after it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress

from cl_bench.config import origins
from cl_bench.errors import UsageError

FLAG = "--include"


def include_from(arguments: Sequence[str]) -> list[str] | None:
    """Look for choices in the folders that the words name, too; the other words.

    None if the folder itself is being completed: the shell offers folders where nothing is offered.
    """
    words, folders = _split(arguments)
    if "COMP_LINE" in os.environ:  # the shell's TAB hands over the whole line
        line = os.environ["COMP_LINE"]
        if re.search(rf"\s{FLAG}(\s+|=)\S*$", line):
            return None
        with suppress(ValueError):  # a quote that is not closed yet
            typed, more = _split(shlex.split(line))
            folders += more
            if more:
                os.environ["COMP_LINE"] = shlex.join(typed) + " " * line.endswith(" ")
    try:
        origins.include(folders)
    except UsageError:
        if "COMP_LINE" in os.environ:  # a line that is not finished is no mistake to talk about
            return None
        raise
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
