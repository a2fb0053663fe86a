"""The records of reproductions as runs that are published: ``runs.jsonl`` beside the pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cl_bench.config.recipe import Named, read_recipes
from cl_bench.report.collect import RecordedRun, take_config, take_metrics
from cl_bench.report.publish import write_lines
from cl_bench.reproduce.records import matrix_of, read_record
from cl_bench.reproduce.runs import Wanted, wanted


def publish_records(place: Path) -> None:
    """``runs.jsonl`` and its schema from all records in ``place``, as ``report --merge`` reads."""
    if runs := recorded_runs(place, read_recipes([])):
        write_lines(runs, place)


def recorded_runs(place: Path, recipes: Sequence[Named]) -> list[RecordedRun]:
    """The recorded runs with the configuration that their recipes give; one that several recipes
    share comes once."""
    recorded = {named: runs for named in recipes if (runs := read_record(place, named))}
    known = {(one.recipe, one.seed, one.order): one for one in wanted(list(recorded), [])}
    found: dict[str, RecordedRun] = {}
    for named, runs in recorded.items():
        for run in runs:
            one = known.get((named, run["seed"], run["order"]))
            if one is not None and one.directory.name == run["run"]:
                found.setdefault(run["run"], _as_run(one, run))
    return list(found.values())


def _as_run(one: Wanted, recorded: dict[str, Any]) -> RecordedRun:
    diverged = recorded["diverged"]
    run = RecordedRun(Path(recorded["run"]), "diverged" if diverged else "finished", None, None)
    take_config(run, one.cfg.model_dump(mode="json"))
    if diverged:
        run.problem = "diverged"
        return run
    run.matrix, run.names = matrix_of(recorded), tuple(recorded["tasks"])
    tasks = len(run.names)
    run.learned, run.numbers = tuple(range(tasks)), tuple(range(1, tasks + 1))
    take_metrics(run, recorded["metrics"])
    run.environment = {
        **recorded["environment"],
        "dataset": {"sha256": recorded["dataset_sha256"]},
        "stream_sha256": recorded["stream_sha256"],
    }
    return run
