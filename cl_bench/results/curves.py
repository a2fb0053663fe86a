"""``curves.csv``: the tests within tasks of a run, a row each."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cl_bench.config.target import ACCURACY, Measure
from cl_bench.files.untrusted import Damaged, clean, from_table_cell, read_text, table_cell
from cl_bench.metrics.base import Curve

FILE = "curves.csv"
# the columns before the tasks'
COUNTS = ("stay", "batch", "forward_passes", "backward_passes", "seconds_train")


def curves_text(names: Sequence[str], curve: Curve) -> str:
    """The content of the file; an empty cell for what was not tested."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*COUNTS, *map(table_cell, names)])
    columns = [getattr(curve, name).tolist() for name in COUNTS]
    for *counts, accuracy in zip(*columns, curve.accuracy.tolist(), strict=True):
        writer.writerow([*counts, *("" if math.isnan(value) else value for value in accuracy)])
    return table.getvalue()


def read_curves(directory: Path, measure: Measure = ACCURACY) -> tuple[list[str], Curve] | None:
    """Task names and curve of a run; None if it has no tests within tasks. :class:`Damaged` if the
    file is of something else."""
    if not (directory / FILE).exists():
        return None
    try:
        header, *rows = csv.reader(io.StringIO(read_text(directory / FILE)))
        cells = np.array([[float(cell or "nan") for cell in row] for row in rows])
        cells = cells.reshape(len(rows), len(header))
    except (ValueError, csv.Error) as error:
        raise Damaged(f"{FILE}: {clean(error)}") from None
    counts, accuracy = cells[:, : len(COUNTS)], cells[:, len(COUNTS) :]
    if tuple(header[: len(COUNTS)]) != COUNTS or not (counts >= 0).all() or not len(rows):
        raise Damaged(f"{FILE}: no table of tests")
    if not (measure.among(accuracy) | np.isnan(accuracy)).all():
        raise Damaged(f"{FILE}: values that are no {measure.plural}")
    columns = dict(zip(COUNTS, counts.T, strict=True))
    whole = {name: columns.pop(name).astype(np.int64) for name in COUNTS[:-1]}
    curve = Curve(**whole, **columns, accuracy=accuracy)
    if (np.diff(np.stack([curve.stay, curve.backward_passes]), axis=1) < 0).any():
        raise Damaged(f"{FILE}: its tests are not in their order")
    return [from_table_cell(name) for name in header[len(COUNTS) :]], curve


def read_curve(
    directory: Path, tasks: int, stays: int, measure: Measure = ACCURACY
) -> Curve | None:
    """The curve of a run with so many tasks and stays; :class:`Damaged` if it is of others."""
    found = read_curves(directory, measure)
    if found is None:
        return None
    curve = found[1]
    if curve.accuracy.shape[1] != tasks or curve.stay.min() < 1 or curve.stay[-1] != stays:
        raise Damaged(f"{FILE}: is of another number of tasks than accuracy.csv")
    return curve


def without(curve: Curve, left: Sequence[int]) -> Curve:
    """What it has of the tasks ``left`` (columns, with one stay each) while they were learned."""
    kept = curve.of(np.isin(curve.stay - 1, left))
    stays = {task + 1: number for number, task in enumerate(left, start=1)}
    stay = np.array([stays[int(old)] for old in kept.stay], dtype=np.int64)
    return replace(kept, stay=stay, accuracy=kept.accuracy[:, left])
