"""``cl-bench check FOLDER``: whether the choices of one's own are right with the bench."""

from __future__ import annotations

import argparse

from cl_bench.cli.parser import Parser


def parser() -> argparse.ArgumentParser:
    found = Parser(
        prog="cl-bench check",
        description="Small runs on digits that try every choice of a folder: that it learns, goes "
        "on to the bit, gives the same bits for the same seed, leaves its batches as they are, "
        "stays finite and looks at no output that does not count. Nothing is left behind. The exit "
        "code is 1 if a fault is found.",
        allow_abbrev=False,
    )
    found.add_argument("folder", metavar="FOLDER", help="holds methods/, models/, ..., conf/")
    found.add_argument("words", nargs="*", default=[], metavar="NAME or KEY=VALUE",
                       help="these choices alone; options of the runs, such as dataset.path=FILE"
                       )  # fmt: skip
    return found


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    from rich.text import Text

    from cl_bench.check import folder
    from cl_bench.results.terminal import output

    origin = folder.included(options.folder)
    given = [word for word in options.words if "=" in word]
    owns = folder.choices_of(origin, [word for word in options.words if "=" not in word])
    console = output(240)
    faults = 0
    for own in owns:
        console.print(Text(own.title, "bold"))
        for finding in folder.check(origin, own, given):
            good = not finding.fault
            faults += not good
            sign = Text("  ✓ ", "green") if good else Text("  ✗ ", "bold red")
            line = finding.what if good else f"{finding.what}: {finding.fault}"
            console.print(sign + Text(line))
    count = {0: "no faults", 1: "1 fault"}.get(faults, f"{faults} faults")
    console.print(f"{len(owns)} checked, {count}")
    return 1 if faults else 0
