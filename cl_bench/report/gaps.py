"""The cells of a sweep that no table can show: failed, unfinished, damaged, never started."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from cl_bench.report.collect import RecordedRun
from cl_bench.report.grouping import Group, setting, split, telling_apart, varying

MOST = 2000  # combinations that are looked at: a larger product is no grid that anybody swept


@dataclass(frozen=True)
class LeftOut:
    """``what`` it would have been, ``state`` and ``reason`` why it is not in the table."""

    what: str
    state: str
    reason: str
    directory: str


def left_out(runs: Sequence[RecordedRun]) -> list[LeftOut]:
    """Every run that is not in a table, and the combinations of settings that have no run."""
    known = [run for run in runs if run.seed is not None]
    keys = varying(known)
    groups = split(known, keys)
    labels = telling_apart(groups, keys) if groups else []
    found = [
        LeftOut(
            _words(labels, tuple(setting(run, k) for k in labels), run.seed)
            if run.seed is not None
            else run.directory.name,
            "damaged" if run.state in ("finished", "unknown") else run.state,
            run.problem,
            str(run.directory),
        )
        for run in runs
        if run.problem is not None
    ]
    for method in split(known, ["method.name"]):
        found += _missing(method.runs, sorted({run.seed for run in known}))
    return found


def _missing(runs: Sequence[RecordedRun], seeds: Sequence[int]) -> list[LeftOut]:
    """Cells without a run within one method: a method may have settings that others lack."""
    groups = split(runs, varying(runs))
    labels = telling_apart(groups, varying(runs))
    there: dict[tuple[str, ...], Group] = {g.label(labels): g for g in groups}
    values = [sorted({label[i] for label in there}) for i in range(len(labels))]
    count = 1
    for choices in values:
        count *= len(choices)
    found = []
    if count <= MOST:
        found = [
            LeftOut(_words(labels, cell), "missing", "no run of this combination", "")
            for cell in itertools.product(*values)
            if cell not in there
        ]
    for label, member in there.items():
        absent = [seed for seed in seeds if seed not in {run.seed for run in member.runs}]
        if absent:
            which = ", ".join(map(str, absent[:10])) + (", …" if len(absent) > 10 else "")
            found.append(LeftOut(_words(labels, label), "missing", f"no run of seed {which}", ""))
    return found


def _words(labels: Sequence[str], values: Sequence[str], seed: int | None = None) -> str:
    words = [v if k == "method.name" else f"{k}={v}" for k, v in zip(labels, values, strict=True)]
    return ", ".join([*words, *([] if seed is None else [f"seed={seed}"])])
