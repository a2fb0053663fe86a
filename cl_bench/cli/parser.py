"""What the parsers of all commands have in common."""

from __future__ import annotations

import argparse

from cl_bench.errors import UsageError


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise UsageError(f"{self.prog.removeprefix('cl-bench ')}: {message}; see {self.prog} -h")
