"""What a sweep was asked for, as long as it has not all of it: ``outputs/.sweeps/asked-….json``.

The same command has the same file, which its good end removes. So a report can tell the runs that
a sweep never came to from combinations that nobody asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cl_bench.files.atomic import write_json
from cl_bench.files.untrusted import Damaged, read_json

FOLDER = ".sweeps"


def asked_file(folder: Path, overrides: Sequence[str]) -> Path:
    """Where the sweep of these overrides says what it was asked for; ``folder`` is FOLDER."""
    digest = hashlib.sha256(json.dumps(list(overrides)).encode()).hexdigest()
    return folder / f"asked-{digest[:12]}.json"


def write_asked(path: Path, jobs: Sequence[Sequence[str]]) -> None:
    """The overrides of every job."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"jobs": [list(words) for words in jobs]})


def read_asked(places: Iterable[Path]) -> Iterator[tuple[Path, list[list[str]]]]:
    """The directory of runs and the jobs of every sweep below ``places`` that is not complete; a
    file that cannot be read is no sweep."""
    for place in dict.fromkeys(places):
        folders = [place / FOLDER, *place.glob(f"*/{FOLDER}")]
        for path in (path for folder in folders for path in sorted(folder.glob("asked-*.json"))):
            try:
                jobs = read_json(path).get("jobs")
            except Damaged:
                continue
            if isinstance(jobs, list) and all(
                isinstance(words, list) and all(isinstance(word, str) for word in words)
                for words in jobs
            ):
                yield path.parent.parent, jobs
