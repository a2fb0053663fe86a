"""``cl-bench ls``: the choices of each group, one line each, from the comments of their YAML."""

from __future__ import annotations

from pathlib import Path

from cl_bench.errors import UsageError

GROUPS = {
    "methods": "method",
    "datasets": "dataset",
    "models": "model",
    "memories": "memory",
    "devices": "device",
    "trackers": "tracker",
}


def conf_dir() -> Path:
    """The configuration groups: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def choices(group: str) -> dict[str, list[str]]:
    """Choice -> the parts of its comment: what it is, source, needs."""
    found = {}
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        comments = [
            line.lstrip("# ").strip()
            for line in path.read_text().splitlines()
            if line.startswith("#") and "@package" not in line
        ]
        found[path.stem] = [part.strip() for part in comments[0].split("|")] if comments else [""]
    return found


def print_listing(arguments: list[str]) -> None:
    """Print the groups named, or all."""
    if arguments[:1] == ["runs"]:
        from cl_bench.results.runs_list import print_runs

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
