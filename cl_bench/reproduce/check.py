"""``make reproduce-fast``: do the fast recipes still give the numbers that were committed?"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cl_bench.config.recipe import Named
from cl_bench.config.target import measure_of
from cl_bench.errors import RunError
from cl_bench.reproduce.records import read_record, read_run
from cl_bench.reproduce.runs import sweeps, wanted

# accuracy; where versions or machines differ, rounding does, and grows over thousands of steps
TOLERANCE = 0.02
# what the bits of a result depend on; the number of threads is not among it
SAME = ("packages", "cpu", "device")


def check(
    recipes: Sequence[Named],
    place: Path,
    overrides: Sequence[str],
    run: Callable[[list[str]], int],
) -> int:
    """Run seed 0 of the fast recipes anew, compare with the records; 1 if one differs."""
    recorded = {}
    for named in recipes:
        runs = [r for r in read_record(place, named) if r["seed"] == 0 and not r["diverged"]]
        if named.recipe.fast and runs:
            recorded[named] = runs[0]
    if not recorded:
        raise RunError(f"{place} has no records of fast recipes; name the folder results")
    overrides = [word for word in overrides if not word.startswith("outputs=")]
    code = 0
    with tempfile.TemporaryDirectory() as folder:
        overrides += [f"outputs={folder}", "plots=false"]
        fresh = wanted(list(recorded), overrides, seeds=1)
        for words in sweeps(fresh, overrides):
            code = max(code, run(words))
        for one in fresh:
            good, text = _compare(
                read_run(one) if one.state == "finished" else None, recorded[one.recipe]
            )
            print(f"{'ok ' if good else 'BAD'} {one.recipe.name}: {text}")
            code = max(code, not good)
    print(f"cl-bench: {len(recorded)} recipes checked", file=sys.stderr)
    return code


def _compare(now: dict[str, Any] | None, then: dict[str, Any]) -> tuple[bool, str]:
    """Whether the run agrees with the record, and in what way."""
    if not now:
        return False, "the run did not finish"
    if now["stream_sha256"] != then["stream_sha256"]:
        return False, "the stream is another one: tasks or their order have changed"
    measure = measure_of(now)
    heading = measure.heading
    acc, before = now["metrics"]["acc"], then["metrics"]["acc"]
    if now["accuracy_sha256"] == then["accuracy_sha256"]:
        return True, f"{heading} {acc:.4f}, the {measure.name} matrix is identical"
    changed = [key for key in SAME if now["environment"].get(key) != then["environment"].get(key)]
    text = f"{heading} {acc:.4f}, recorded {before:.4f}"
    if not changed:
        return False, f"{text}: the matrix must be identical in the same environment"
    near = abs(acc - before) <= TOLERANCE
    return (
        near,
        f"{text} ({'within' if near else 'not within'} {TOLERANCE}; {', '.join(changed)} differ)",
    )
