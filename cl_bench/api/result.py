"""A finished run as an object."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.errors import RunError
from cl_bench.files.untrusted import Damaged, read_yaml
from cl_bench.metrics import find
from cl_bench.metrics.base import as_told
from cl_bench.results.measure import read_measure
from cl_bench.results.summary import heat_colours, heat_table, metric_lines, read_shown
from cl_bench.run.load import check_finished

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console, ConsoleOptions, RenderableType


class Result:
    """What a finished run left in its ``directory``.

    ``matrix`` (S+1, T): accuracy (of numbers R²) on every task after each stay at one, row 0
    untrained, NaN where it was not measured; ``learned``
    (S,) is the task (its column) of each stay, 0 to T-1 where no task returns. ``tasks`` (T): their
    names. ``metrics``: those of ``metrics.json``. ``config``: the resolved configuration,
    a dictionary for each group. A notebook and :mod:`rich` show the matrix and the metrics.

    Raises :class:`~cl_bench.errors.RunError` if there is no finished run that can be read.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        check_finished(self.directory)
        self.tasks, matrix, metrics, gone, learned = read_shown(self.directory)
        self.matrix: np.ndarray = matrix
        self.metrics: dict[str, Any] = metrics
        self.learned: tuple[int, ...] = learned
        self._measure = read_measure(self.directory)
        self._numbers = gone.numbers(len(self.tasks))

    @cached_property
    def config(self) -> dict[str, Any]:
        try:
            return read_yaml(self.directory / "config.yaml")
        except Damaged as error:
            raise RunError(f"{self.directory}: {error}") from None

    def __repr__(self) -> str:
        shown = (f"{self._heading(key)} {self.metrics[key]:.4f}" for key in self._scores())
        return f"<Result {self.directory}: {', '.join(shown)}>"

    def _heading(self, key: str) -> str:
        return as_told(find(key), self._measure).heading

    def _scores(self) -> list[str]:
        known = ("acc", "bwt", "fwt")
        return [key for key in known if isinstance(self.metrics.get(key), int | float)]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from rich.text import Text

        yield Text(str(self.directory), style="bold")
        yield heat_table(self._numbers, self.matrix, options.max_width, self.learned)
        yield Text("\n".join(metric_lines(self.metrics, self._measure)))

    def _repr_html_(self) -> str:
        """The matrix in percent, coloured, above its metrics."""

        def cell(value: float) -> str:
            if math.isnan(value):
                return '<td title="not measured"></td>'
            ink, paper = heat_colours(value)
            ground = "rgb({},{},{})".format(*paper)
            style = f"text-align:right;color:{ink};background:{ground}"
            return f'<td style="{style}" title="{value:.4f}">{100 * value:.0f}</td>'

        labels = ["untrained", *(f"task {self._numbers[task]}" for task in self.learned)]
        heads = zip(self._numbers, self.tasks, strict=True)
        head = "".join(f'<th title="{html.escape(name)}">{number}</th>' for number, name in heads)
        rows = "".join(
            f"<tr><th>{label}</th>{''.join(map(cell, values))}</tr>"
            for label, values in zip(labels, self.matrix.tolist(), strict=True)
        )
        lines = html.escape("\n".join(metric_lines(self.metrics, self._measure)))
        return (
            f"<b>{html.escape(str(self.directory))}</b>"
            f"<table><tr><th></th>{head}</tr>{rows}</table><pre>{lines}</pre>"
        )
