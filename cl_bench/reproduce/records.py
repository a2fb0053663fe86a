"""What is kept of a reproduction: one small JSON file per recipe, ``records/PAPER/RECIPE.json``.

A record holds the runs' metrics, accuracy matrices, checksums, environments and what was known of
the task (``task_identity``), no checkpoints.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.config.pairing import identity
from cl_bench.config.recipe import Named
from cl_bench.config.target import R2, REGRESSION, Measure, measure_of, together
from cl_bench.errors import RunError
from cl_bench.files.atomic import write_atomic
from cl_bench.reproduce.runs import Wanted

if TYPE_CHECKING:
    import numpy as np

LARGEST_MATRIX = 20  # tasks; of a longer stream the first row, the diagonal and the last are kept
ENVIRONMENT = ("cl_bench", "code", "python", "packages", "cpu", "cores", "device", "threads")


def read_run(run: Wanted) -> dict[str, Any]:
    """The record of one run that is done; of one that diverged, only that it did.

    A :class:`RunError` if its files are damaged, or are not about all of the recipe's tasks.
    """
    if run.state == "diverged":
        nothing: dict[str, Any] = {"metrics": {}, "tasks": [], "final": [], "environment": {}}
        return {**_name(run), "diverged": True, **nothing}
    from cl_bench.files.untrusted import Damaged, read_json, read_yaml
    from cl_bench.results.forgotten import read_forgotten
    from cl_bench.results.record import known_rows, read_results

    again = f"remove {run.directory} and run it again"
    try:
        if gone := read_forgotten(run.directory):
            raise RunError(
                f"{run.directory} has forgotten {gone.told()} since and is no run of "
                f"{run.recipe.name} any more; keep it elsewhere, or {again}"
            )
        names, matrix, values = read_results(run.directory)
        section = read_yaml(run.directory / "config.yaml").get("dataset") or {}
        known, measure = identity(section), measure_of(section)
        facts = read_json(run.directory / "environment.json")
        if not isinstance(dataset := facts.get("dataset"), dict):
            raise Damaged("environment.json: does not name the dataset")
    except Damaged as error:
        raise RunError(f"{run.directory} is damaged ({error}); {again}") from None
    table, rows = (run.directory / "accuracy.csv").read_bytes(), known_rows(matrix)
    return {
        **_name(run),
        "diverged": False,
        "task_identity": known,
        **({"target": REGRESSION} if measure is R2 else {}),
        "metrics": values,
        "accuracy_sha256": hashlib.sha256(table).hexdigest(),
        "tasks": names,
        "untrained": rows[0],
        "learned": matrix[1:].diagonal().tolist(),
        "final": matrix[-1].tolist(),
        "accuracy": rows if len(names) <= LARGEST_MATRIX else None,
        "stream_sha256": facts.get("stream_sha256"),
        "dataset_sha256": dataset.get("sha256"),
        "environment": {key: facts.get(key) for key in ENVIRONMENT},
    }


def _name(run: Wanted) -> dict[str, Any]:
    return {"seed": run.seed, "order": run.order, "run": run.directory.name}


def read_record(place: Path, named: Named) -> list[dict[str, Any]]:
    """The runs recorded for a recipe; none if there is no record."""
    path = _path(place, named)
    try:
        values = json.loads(path.read_text())
        environments = values["environments"]
        return [
            {**run, "metrics": _metrics(run), "environment": environments[run["environment"]]}
            for run in values["runs"]
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise RunError(f"{path} cannot be read ({error!r}); remove it or restore it") from None


def _metrics(run: dict[str, Any]) -> dict[str, Any]:
    """Today's metrics of a recorded run."""
    if run["diverged"]:
        return run["metrics"]
    from cl_bench import metrics
    from cl_bench.metrics.base import Measured

    return metrics.compute(Measured(matrix_of(run), run["metrics"]))


def measure_recorded(runs: Sequence[dict[str, Any]]) -> Measure:
    """What the matrices of recorded runs hold."""
    return together(measure_of(run) for run in runs)


def matrix_of(run: dict[str, Any]) -> np.ndarray:
    """The matrix (T+1, T) of a recorded run; NaN where the record has not all of it."""
    import numpy as np

    if (matrix := run["accuracy"]) is None:
        tasks = len(run["tasks"])
        matrix = np.full((tasks + 1, tasks), np.nan)
        np.fill_diagonal(matrix[1:], run["learned"])
        matrix[0], matrix[-1] = run["untrained"], run["final"]
    return np.array(matrix, dtype=np.float64)


def write_record(
    place: Path, named: Named, runs: Sequence[dict[str, Any]], directories: Collection[str]
) -> None:
    """Add the runs to the recipe's record; one of the same seed and order is replaced.

    ``directories`` are the names of all runs that the recipe leads to: what was recorded of
    another protocol, before the recipe was changed, is dropped.
    """
    kept = [run for run in read_record(place, named) if run["run"] in directories]
    by_key = {_key(run): run for run in [*kept, *runs]}
    ordered = [by_key[key] for key in sorted(by_key, key=str)]
    if not ordered:
        _path(place, named).unlink(missing_ok=True)
        return
    environments: list[dict[str, Any]] = []
    lines = []
    for run in ordered:
        if run["environment"] not in environments:
            environments.append(run["environment"])
        lines.append({**run, "environment": environments.index(run["environment"])})
    seeds = sorted({run["seed"] for run in ordered})
    values = {
        "recipe": named.name,
        "command": f"cl-bench -m +paper={named.name} seed={','.join(map(str, seeds))}",
        "environments": environments,
        "runs": lines,
    }
    path = _path(place, named)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, _text(values))


def _text(values: dict[str, Any]) -> str:
    """JSON, a line per run: a change in one seed is a change in one line."""
    runs = ",\n".join("    " + json.dumps(run) for run in values["runs"])
    head = {key: value for key, value in values.items() if key != "runs"}
    return json.dumps(head, indent=2).removesuffix("\n}") + f',\n  "runs": [\n{runs}\n  ]\n}}\n'


def _key(run: dict[str, Any]) -> tuple[int, str | None]:
    return run["seed"], run["order"]


def _path(place: Path, named: Named) -> Path:
    return place / "records" / named.paper / f"{named.short}.json"
