"""``cl-bench ls``: the choices of each group, one line each; the options of one; runs on disk."""

from __future__ import annotations

from cl_bench.config.choices import GROUPS, choices, files, implementation
from cl_bench.config.origins import Origin, package
from cl_bench.errors import UsageError

METRICS = "metrics"  # a list, and no group: a run does not choose among them


def main(arguments: list[str]) -> None:
    """Print the groups named, or all; for a choice all its options."""
    if arguments[:1] == ["runs"]:
        from cl_bench.cli.ls_runs import print_runs

        print_runs(arguments[1:])
        return
    lists = [*GROUPS, METRICS]
    if any(name not in lists for name in arguments):
        _print_options(arguments)
        return
    for number, title in enumerate(arguments or lists):
        found = _metrics() if title == METRICS else _choices(GROUPS[title])
        chosen = "report --metrics ..." if title == METRICS else f"{GROUPS[title]}=..."
        width = max(map(len, found))
        print(f"{'' if number == 0 else chr(10)}{title}  ({chosen})")
        for name, parts in found.items():
            print(f"  {name:{width}}  {' · '.join(parts)}")


def _choices(group: str) -> dict[str, list[str]]:
    """Choice -> what is told of it, where it is from if that is not the package."""
    found = choices(group)
    if group == "method":
        found = {name: [*parts, _needs(name)] for name, parts in found.items()}
    for name, (origin, _) in files(group).items():
        found[name] += _from(origin)
    return found


def _metrics() -> dict[str, list[str]]:
    from cl_bench.config.registry import declared_metrics

    return {key: [*words, *_from(origin)] for key, (origin, words) in declared_metrics().items()}


def _from(origin: Origin) -> list[str]:
    return [] if origin == package() else [f"from {origin.name}"]


def _print_options(words: list[str]) -> None:
    """The options of the choices that ``words`` name, as ``gem`` or ``method=gem``."""
    named = []
    for word in words:
        group, equals, name = word.rpartition("=")
        known = [g for g in GROUPS.values() if name in choices(g) and (g == group or not equals)]
        if not known:
            from cl_bench.config.schema import similar

            names = [
                *GROUPS,
                METRICS,
                "runs",
                *(name for g in GROUPS.values() for name in choices(g)),
            ]
            raise UsageError(
                f"ls {word}: no such list or choice{similar(name, names)} (lists: "
                f"{', '.join(GROUPS)}, {METRICS}, runs; cl-bench ls shows all choices)"
            )
        named += [(group, name) for group in known]
    from cl_bench.cli.options import print_options

    for number, (group, name) in enumerate(named):
        print("\n" * bool(number), end="")
        print_options(group, name, _needs(name) if group == "method" else "")


def _needs(method: str) -> str:
    """What the method's class says that it relies on."""
    from cl_bench.config.pairing import in_yaml, needs
    from cl_bench.config.registry import declared

    file = implementation("method", method)
    memory = ["memory"] if declared("method", file, "memory_needs") else []
    with_values = declared("method", file, "needs_with")
    sometimes = [f"{need} ({key}={in_yaml(value)})" for key, value, need in with_values]
    return "needs: " + (", ".join([*memory, *needs("method", file), *sometimes]) or "nothing")
