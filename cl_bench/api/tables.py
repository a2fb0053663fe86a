"""``cl_bench.load`` and ``cl_bench.report``: runs and tables as data frames."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cl_bench.errors import RunError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderableType

    from cl_bench.report.table import Report


def load(*places: str | Path) -> pd.DataFrame:
    """Every run at or below ``places`` (``outputs`` if there are none), a row each.

    Columns: ``directory``; ``state`` as in ``status.json`` and ``problem``, which says why a run
    has no results and is None otherwise; ``time`` of its end; ``seed``; the settings
    (``method.lr``); the metrics (``acc``). What a run lacks is NaN or None.
    """
    from cl_bench.report.collect import collect
    from cl_bench.report.frame import frame

    runs = collect(map(Path, places or ("outputs",)))
    if not runs:
        raise RunError("there are no runs there; name directories that hold some")
    return frame(runs)


def report(
    *places: str | Path,
    by: Sequence[str] = (),
    baseline: str | None = None,
    metrics: Sequence[str] = (),
    sort: str | None = None,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    across: str | None = None,
    test: Literal["t", "wilcoxon"] = "t",
    interval: Literal["t", "bootstrap"] = "t",
    spread: Literal["std", "se", "ci"] = "std",
    percent: bool = False,
    digits: int | None = None,
    names: Mapping[str, str] | None = None,
    merge: Sequence[str | Path] = (),
) -> Tables:
    """What ``cl-bench report`` prints, with options of the same names.

    Raises :class:`~cl_bench.errors.RunError` if no run at or below ``places`` is finished.
    """
    from cl_bench.metrics.base import Digits
    from cl_bench.report.table import Look, build

    places = places or (() if merge else ("outputs",))
    look = Look(Digits(percent, digits), spread, dict(names or {}), tuple(rows), tuple(columns))
    found = build(
        map(Path, places), by, baseline, interval, metrics=metrics, sort=sort, test=test,
        look=look, over=across, merged=map(Path, merge),
    )  # fmt: skip
    return Tables(found)


class Tables(Mapping[str, "pd.DataFrame"]):
    """The tables of a report by their titles, as printed; a notebook and :mod:`rich` show them.

    ``frame`` holds the numbers: a row per group of runs with equal settings, with ``n``, ``seeds``
    and for every metric ``_mean``, ``_std``, ``_se``, ``_low`` and ``_high``; ``differences`` the
    same for what is compared with the baseline, with ``_p`` and ``_p_holm``. ``notes`` say what to
    bear in mind, ``left_out`` which runs are in no table, and why.
    """

    def __init__(self, report: Report) -> None:
        import pandas as pd

        from cl_bench.report.sections import sections

        self._report = report
        self._tables = {
            section.title: pd.DataFrame(
                [[cell.text for cell in row] for row in section.rows], columns=section.head
            )
            for section in sections(report)
        }
        self.frame = report.frame
        self.differences = report.differences
        self.notes = report.notes
        gaps = [vars(gap) for gap in report.left_out]
        self.left_out = pd.DataFrame(gaps, columns=["what", "state", "reason", "directory"])

    def __getitem__(self, title: str) -> pd.DataFrame:
        return self._tables[title]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        return "\n\n".join(f"{title}\n{table}" for title, table in self.items())

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from cl_bench.report.formats import parts

        yield from parts(self._report, options.max_width)

    def _repr_html_(self) -> str:
        shown = (
            f"<b>{html.escape(title)}</b>{table.to_html(index=False)}"
            for title, table in self.items()
        )
        notes = (f"<p>note: {html.escape(note)}</p>" for note in self.notes)
        return "".join([*shown, *notes])
