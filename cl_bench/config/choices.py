"""``cl-bench ls``: the choices of each group, one line each, from the comments of their YAML."""

from __future__ import annotations

from pathlib import Path

from cl_bench.config import origins
from cl_bench.config.origins import Origin, shown
from cl_bench.errors import UsageError

GROUPS = {
    "methods": "method",
    "datasets": "dataset",
    "models": "model",
    "memories": "memory",
    "devices": "device",
    "trackers": "tracker",
}


def groups() -> set[str]:
    """The groups that a run makes choices of, recipes and tuned settings among them."""
    folders = (path for origin in origins.known() for path in origin.conf.glob("*/"))
    return {path.name for path in folders if path.is_dir()} - {"hydra", "common"}


def files(group: str) -> dict[str, tuple[Origin, Path]]:
    """Choice -> where it is from, and its YAML; the package's choices first, each by name."""
    return {
        path.stem: (origin, path)
        for origin in origins.known()
        for path in sorted((origin.conf / group).glob("*.yaml"))
    }


def choices(group: str) -> dict[str, list[str]]:
    """Choice -> the parts of its comment: what it is, source, and what it needs to be installed."""
    found = {}
    for name, (_, path) in files(group).items():
        comments = [
            line.lstrip("# ").strip()
            for line in path.read_text().splitlines()
            if line.startswith("#") and "@package" not in line
        ]
        found[name] = [part.strip() for part in comments[0].split("|")] if comments else [""]
    return found


def implementation(group: str, choice: str) -> str:
    """The name of the file with the choice's class, as its YAML has it or a YAML that it begins
    with."""
    import yaml

    path = files(group)[choice][1]
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise UsageError(yaml_fault(error, path)) from None
    section = values.get(group, values) if isinstance(values, dict) else None
    if not isinstance(section, dict):
        raise UsageError(f"{shown(path)}, line 1: has no settings; it must say its name at least")
    if file := section.get("implementation"):
        return str(file)
    bases = [base for base in values.get("defaults", ()) if isinstance(base, str)]
    siblings = [base for base in bases if base != "_self_" and "/" not in base]
    return next((implementation(group, base) for base in siblings), section.get("name", choice))


def yaml_fault(error: Exception, path: Path | None = None) -> str:
    """What is wrong with a YAML, and in which line of which file."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    named = Path(mark.name) if path is None and mark is not None else path
    line = f", line {mark.line + 1}" if mark is not None else ""
    return f"{shown(named) if named else 'a YAML'}{line}: {problem or error}"
