"""``cl-bench ls``: the choices of each group, one line each, and the runs on disk."""

from __future__ import annotations

from cl_bench.config.choices import GROUPS, choices, implementation
from cl_bench.errors import UsageError


def main(arguments: list[str]) -> None:
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
        if GROUPS[title] == "method":
            found = {name: [*parts, _needs(name)] for name, parts in found.items()}
        width = max(map(len, found))
        print(f"{'' if number == 0 else chr(10)}{title}  ({GROUPS[title]}=...)")
        for name, parts in found.items():
            print(f"  {name:{width}}  {' · '.join(parts)}")


def _needs(method: str) -> str:
    """What the method's class says that it relies on."""
    from cl_bench.config.pairing import needs
    from cl_bench.config.registry import declared

    file = implementation("method", method)
    memory = ["memory"] if declared("method", file, "memory_needs") else []
    with_values = declared("method", file, "needs_with")
    sometimes = [f"{need} ({key}={value})" for key, value, need in with_values]
    return "needs: " + (", ".join([*memory, *needs("method", file), *sometimes]) or "nothing")
