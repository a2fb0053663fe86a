"""How a run's settings were chosen, where ``cl-bench tune`` has chosen them: ``tuned.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cl_bench import metrics
from cl_bench.config.target import measure_of
from cl_bench.files.atomic import write_json
from cl_bench.files.untrusted import Damaged, clean, read_json
from cl_bench.metrics.base import as_told

FILE = "tuned.json"


class Tuned(BaseModel):
    """One choice of settings, with what it has cost.

    ``stream`` is the dataset that it was made on, or the first ``reserved`` tasks of it alone;
    ``target`` is what its targets are.
    ``runs`` were carried out for it, ``failed`` of them failed or diverged; those of each setting
    have ``seeds``. ``values`` are what was tried of every option, ``chosen`` what was taken, and
    ``edges`` the options whose chosen value is the smallest or the largest of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    stream: str
    reserved: int = Field(0, ge=0)
    metric: str
    target: Literal["classes", "regression"] = "classes"
    seeds: list[int]
    runs: int = Field(ge=1)
    failed: int = Field(0, ge=0)
    values: dict[str, list[str]]
    chosen: dict[str, str]
    edges: list[str] = []

    def sentence(self) -> str:
        """What stands below a table."""
        n = len(self.seeds)
        heading = as_told(metrics.find(self.metric), measure_of({"target": self.target})).heading
        told = f"tuned on {where(self.stream, self.reserved)} by {heading} over "
        told += f"{counted(n, 'seed')}, {counted(self.runs, 'run')}"
        told += f" ({self.failed} failed): " if self.failed else ": "
        told += "; ".join(
            f"{key}={value} of {', '.join(self.values.get(key, ['?']))}"
            for key, value in self.chosen.items()
        )
        if self.edges:
            told += f"; {' and '.join(self.edges)} at the edge of what was tried"
        return clean(told, 2000)


def where(stream: str, reserved: int) -> str:
    """A stream, or its first tasks, as it is told."""
    first = "task" if reserved == 1 else counted(reserved, "task")
    return f"the first {first} of {stream}" if reserved else stream


def counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def write_tuned(directory: Path, tuned: Tuned) -> None:
    """Into the directory of a run that was carried out with the settings chosen."""
    write_json(directory / FILE, tuned.model_dump())


def read_tuned(directory: Path) -> Tuned | None:
    """None where ``tune`` did not choose the settings; :class:`Damaged` if it cannot be read."""
    if not (directory / FILE).exists():
        return None
    return check_tuned(read_json(directory / FILE), FILE)


def check_tuned(values: object, where: str) -> Tuned:
    """The same of what was read; :class:`Damaged` if it is something else."""
    try:
        return Tuned.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Damaged(f"{where}: {clean(place, 80)}: {clean(first['msg'], 200)}") from None
