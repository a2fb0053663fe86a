"""The process ``cl-bench``."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

from cl_bench.cli.main import main


def command() -> NoReturn:
    """Run the process's command line and end with its exit code."""
    code = main()
    # nothing is searched for garbage once more: a fifth of a second when torch was imported
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    command()
