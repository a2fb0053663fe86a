"""``cl-bench ls``: the choices of each group, one line each, and the runs on disk."""

from __future__ import annotations

from cl_bench.config.choices import GROUPS, choices
from cl_bench.errors import UsageError


def print_listing(arguments: list[str]) -> None:
    """Print the groups named, or all."""
    if arguments[:1] == ["runs"]:
        from cl_bench.cli.ls_runs import print_runs

        print_runs(arguments[1:])
        return
    unknown = [name for name in arguments if name not in GROUPS]
    if unknown:
        raise UsageError(f"ls {unknown[0]}: no such list; choose from {', '.join(GROUPS)}, runs")
    for number, title in enumerate(arguments or GROUPS):
        found = choices(GROUPS[title])
        width = max(map(len, found))
        print(f"{'' if number == 0 else chr(10)}{title}  ({GROUPS[title]}=...)")
        for name, parts in found.items():
            print(f"  {name:{width}}  {' · '.join(parts)}")
