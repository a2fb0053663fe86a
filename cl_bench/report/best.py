"""What is printed in bold: the best of a table's rows, and those that are not told from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cl_bench.metrics.base import Metric
from cl_bench.report.compare import difference, too_few
from cl_bench.report.grouping import ORDER_KEYS, Grouping, of_stream
from cl_bench.report.statistics import Test, apart

if TYPE_CHECKING:
    import pandas as pd

SAME = 5e-5  # shares that differ by less are printed alike


def best(
    grouping: Grouping,
    frame: pd.DataFrame,
    metrics: Sequence[Metric],
    test: Test,
    within: Sequence[str] = (),
) -> set[tuple[int, str]]:
    """The (row, metric) to print in bold, of each block of rows on the same stream.

    They are the row of the best mean, those with a mean that is printed alike, and those that a
    paired test over equal seeds and streams does not tell apart from it (Holm 1979 over the
    block). Without several pairs there is no test, and a row is not bold for want of one.
    ``within`` are settings that must be the same in a block too.
    """
    return {
        (index, metric.key)
        for rows in _blocks(grouping, within)
        for metric in metrics
        for index in _best_of(rows, grouping, frame, metric, test)
    }


def doubtful(grouping: Grouping, test: Test) -> list[str]:
    """A note where several seeds are too few for the test to tell any row from the best."""
    counts = [len(member.runs) for member in grouping.groups]
    largest = max(map(len, _blocks(grouping)), default=0)
    if max(counts) > 1 and largest and (words := too_few(max(counts), largest - 1, test)):
        return [f"no row can be told from the best: {words}"]
    return []


def _blocks(grouping: Grouping, within: Sequence[str] = ()) -> list[list[int]]:
    """Rows on the same stream and of the same ``within``, where there are several."""
    keys = [k for k in grouping.labels if of_stream(k) and k not in ORDER_KEYS]
    blocks: dict[tuple[str, ...], list[int]] = {}
    for index, member in enumerate(grouping.groups):
        blocks.setdefault((*member.label(keys), *member.label(within)), []).append(index)
    return [rows for rows in blocks.values() if len(rows) > 1]


def _best_of(
    rows: Sequence[int], grouping: Grouping, frame: pd.DataFrame, metric: Metric, test: Test
) -> list[int]:
    means = frame.loc[list(rows), f"{metric.key}_mean"].dropna() * metric.better
    if means.empty:
        return []
    first: Any = means.idxmax()
    alike = [index for index, mean in means.items() if means[first] - mean < SAME]
    members = grouping.groups
    tested = {}
    others: Any = means.index.difference(alike)
    for index in others:
        found = difference(members[index], members[first], metric.key, test)
        if found is not None and found.n > 1:
            tested[index] = found
    told = apart([*tested.values()])
    return alike + [index for index, yes in zip(tested, told, strict=True) if not yes]
