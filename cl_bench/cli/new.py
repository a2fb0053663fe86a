"""``cl-bench new method NAME``: a working file, its YAML and a test, to begin with."""

from __future__ import annotations

import argparse
from pathlib import Path

from cl_bench.check.new import KINDS, write
from cl_bench.cli.parser import Parser
from cl_bench.config import origins
from cl_bench.config.origins import shown
from cl_bench.errors import UsageError


def parser() -> argparse.ArgumentParser:
    found = Parser(
        prog="cl-bench new",
        description="A choice of one's own that works as it stands: a commented file, its YAML and "
        "a test, in a folder that --include FOLDER then makes known. Nothing is overwritten.",
        allow_abbrev=False,
    )
    found.add_argument("kind", choices=KINDS, help=", ".join(KINDS))
    found.add_argument("name", metavar="NAME", help="what it is chosen by, such as anchor")
    found.add_argument("--into", type=Path, metavar="FOLDER", help="default: what is included")
    return found


def main(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    folder = options.into
    if folder is None:
        known = origins.included()
        if len(known) != 1:
            raise UsageError(
                f"new {options.kind} {options.name}: say where, --into FOLDER"
                + (" (several are included)" if known else " (it is made if it is not there)")
            )
        folder = Path(known[0])
    for path in write(options.kind, options.name, folder.expanduser()):
        print(shown(path.absolute()))
    print(f"cl-bench check {shown(folder.absolute())} {options.name}")
    print(f"cl-bench --include {shown(folder.absolute())} {KINDS[options.kind].use(options.name)}")
