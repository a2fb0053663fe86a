"""``cl-bench ls``: the choices of each group, one line each, from the comments of their YAML."""

from __future__ import annotations

from pathlib import Path

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
    package = Path(__file__).parents[1]
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
