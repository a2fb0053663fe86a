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


def groups() -> set[str]:
    """The groups that a run makes choices of, recipes and tuned settings among them."""
    return {path.name for path in conf_dir().iterdir() if path.is_dir()} - {"hydra", "common"}


def choices(group: str) -> dict[str, list[str]]:
    """Choice -> the parts of its comment: what it is, source, and what it needs to be installed."""
    found = {}
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        comments = [
            line.lstrip("# ").strip()
            for line in path.read_text().splitlines()
            if line.startswith("#") and "@package" not in line
        ]
        found[path.stem] = [part.strip() for part in comments[0].split("|")] if comments else [""]
    return found


def implementation(group: str, choice: str) -> str:
    """The name of the file with the choice's class, as its YAML has it or a YAML that it begins
    with."""
    import yaml

    values = yaml.safe_load((conf_dir() / group / f"{choice}.yaml").read_text())
    section = values.get(group, values)
    if file := section.get("implementation"):
        return str(file)
    bases = [base for base in values.get("defaults", ()) if isinstance(base, str)]
    siblings = [base for base in bases if base != "_self_" and "/" not in base]
    return next((implementation(group, base) for base in siblings), section["name"])
