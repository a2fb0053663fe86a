"""Runs as a data frame, a row each."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cl_bench import metrics
from cl_bench.report.collect import IDENTITY, RecordedRun

FIRST = ("directory", "state", "problem", "time", "seed")


def frame(runs: Sequence[RecordedRun]) -> pd.DataFrame:
    """Where each run is and how it ended, its settings by group, its metrics in their order; how
    its settings were ``tuned`` where one of the runs says it."""
    rows = [
        {
            "directory": str(run.directory),
            "state": run.state,
            "problem": run.problem,
            "time": run.time,
            "seed": run.seed,
            **run.settings,
            **run.metrics,
        }
        for run in runs
    ]
    settings = {key for run in runs for key in run.settings}
    measured = {key for run in runs for key in run.metrics}
    known = [key for key in metrics.known() if key in measured]
    columns = [*FIRST, *sorted(settings, key=_place), *known, *sorted(measured - {*known})]
    found = pd.DataFrame(rows, columns=columns)
    found["problem"] = pd.Series([run.problem for run in runs], dtype=object)  # None, not NaN
    told = [run.tuned and run.tuned.sentence() for run in runs]
    if any(told):
        found["tuned"] = pd.Series(told, dtype=object)
    return found.astype({"seed": "Int64"})


def _place(setting: str) -> tuple[int, bool, str]:
    """Settings by their groups, in each the name first."""
    group, _, key = setting.partition(".")
    return (IDENTITY.index(group) if group in IDENTITY else len(IDENTITY), key != "name", setting)
