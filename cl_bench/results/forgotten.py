"""Which tasks a finished run has forgotten since, as ``forgotten.json`` in its directory says.

It is written before anything is changed, with ``complete`` false, and again at the end: what is
broken off in between is told by every reader and completed by the same command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cl_bench.files.atomic import write_json
from cl_bench.files.untrusted import Damaged, clean, read_json

FILE = "forgotten.json"


@dataclass(frozen=True)
class Forgotten:
    """``tasks`` are position in the stream (from 1) -> name, in the order in which they were
    forgotten; ``of`` is the number of tasks that were learned. With ``complete`` false the last
    one may still be in some of the files.
    """

    of: int = 0
    tasks: dict[int, str] = field(default_factory=dict)
    times: tuple[str, ...] = ()
    complete: bool = True

    def __bool__(self) -> bool:
        return bool(self.tasks)

    def plus(self, number: int, name: str) -> Forgotten:
        """One more task, not carried through yet."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Forgotten(self.of, {**self.tasks, number: name}, (*self.times, now), False)

    def completed(self) -> Forgotten:
        """The same, carried through."""
        return replace(self, complete=True)

    def numbers(self, left: int) -> list[int]:
        """Positions in the stream of the ``left`` tasks that a table still has."""
        gone = list(self.tasks)
        if left + len(gone) > self.of and not self.complete:
            gone = gone[:-1]
        return [n for n in range(1, left + len(gone) + 1) if n not in gone]

    def told(self) -> str:
        """``task 3 (classes 4-5), task 1 (classes 0-1)``; empty if nothing was forgotten."""
        return ", ".join(f"task {number} ({name})" for number, name in self.tasks.items())

    def sentence(self, directory: Path) -> str:
        """What happened to the tasks, or what completes it; empty if nothing was forgotten."""
        if self.complete:
            verb = "were" if len(self.tasks) > 1 else "was"
            return f"{self.told()} {verb} forgotten since" if self else ""
        number = list(self.tasks)[-1]
        return (
            f"forgetting task {number} was broken off; cl-bench forget {directory} task={number} "
            "completes it"
        )

    def write(self, directory: Path) -> None:
        tasks = [
            {"task": number, "name": name, "time": time}
            for (number, name), time in zip(self.tasks.items(), self.times, strict=True)
        ]
        content = {"of": self.of, "tasks": tasks, "complete": self.complete}
        write_json(directory / FILE, content)


def read_forgotten(directory: Path) -> Forgotten:
    """What the run in ``directory`` has forgotten; :class:`Damaged` if that cannot be read."""
    if not (directory / FILE).exists():
        return Forgotten()
    values = read_json(directory / FILE)
    try:
        tasks: Sequence[dict[str, Any]] = values["tasks"]
        found = Forgotten(
            values["of"],
            {task["task"]: clean(task["name"], 80) for task in tasks},
            tuple(clean(task["time"], 40) for task in tasks),
            values["complete"] is True,
        )
        right = type(found.of) is int and all(
            type(number) is int and 1 <= number <= found.of for number in found.tasks
        )
    except (KeyError, TypeError):
        right = False
    if not right or len(found.tasks) != len(tasks) or not 0 < len(tasks) < found.of:
        raise Damaged(f"{FILE}: does not say which tasks were forgotten")
    return found
