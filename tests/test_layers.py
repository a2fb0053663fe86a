"""Imports go down only: who may import whom, and no circle anywhere."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import cl_bench

ROOT = Path(cl_bench.__file__).parent
# from the door to the ground: a room may import the rooms that stand below it, never one above
FLOORS = [
    {"__main__"},
    {"cli", "api"},
    {"reproduce", "check"},
    {"sweep"},
    {"report"},
    {"run"},
    {"methods", "results", "trackers"},
    {"memory", "models", "metrics", "drawing"},
    {"network", "streams"},
    {"datasets", "rng"},
    {"config"},
    {"files"},
    {"errors", "__init__"},
]


def imported(path: Path) -> set[str]:
    """The modules of the package, dotted from its root, that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cl_bench"):
            module = node.module.removeprefix("cl_bench").lstrip(".")
            for alias in node.names:
                inner = ".".join(filter(None, [module, alias.name]))
                found.add(inner if _exists(inner) else module)
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            found |= {n.removeprefix("cl_bench").lstrip(".") for n in names if "cl_bench" in n}
    return found - {""}


def _exists(module: str) -> bool:
    path = ROOT / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


def modules() -> dict[str, set[str]]:
    """Every module with those that it imports."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): imported(
            path
        )
        for path in ROOT.rglob("*.py")
    }


def test_every_room_has_its_floor_and_imports_from_below():
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    wrong = []
    for module, targets in modules().items():
        room = module.partition(".")[0]
        for target in targets:
            other = target.partition(".")[0]
            if other != room and floor[other] <= floor[room]:
                wrong.append(f"{module} imports {target}")
    assert not wrong


def test_no_circle():
    TopologicalSorter(modules()).prepare()  # raises a CycleError that names the circle


def test_nothing_lies_loose():
    loose = {path.stem for path in ROOT.glob("*.py")}
    assert loose == {"__init__", "__main__", "errors", "rng"}
