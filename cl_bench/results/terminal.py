"""Where tables are printed."""

from __future__ import annotations

import sys

from rich.console import Console


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever reads has gone; what that means for the command is not rich's to say."""
        raise BrokenPipeError


def output(off_terminal: int) -> Console:
    """On stdout; in a log or a pipe lines are ``off_terminal`` columns wide and not wrapped."""
    return _Console(highlight=False, width=None if sys.stdout.isatty() else off_terminal)
