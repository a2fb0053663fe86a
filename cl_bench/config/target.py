"""What a stream's targets are, classes or numbers, and what the matrix then holds: accuracy or R².

Imports no torch: tables and pages of runs ask too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cl_bench.errors import UsageError

REGRESSION = "regression"  # the value of dataset.target for numbers
WITH_NUMBERS = "digits_angles, mnist_angles, diabetes_age or npz_regression"


@dataclass(frozen=True)
class Measure:
    """What the matrix R holds: ``name`` in words and ``key`` in plain letters, ``heading`` in place
    of ACC's, and the ``least`` value that there is (the largest is 1 of both)."""

    name: str
    key: str
    heading: str
    least: float

    def among(self, values: Any) -> Any:
        """Which of the ``values``, an array, there can be: NaN and infinity are none."""
        return (values >= self.least) & (values <= 1) & (values > -math.inf)

    @property
    def plural(self) -> str:
        return "accuracies" if self.name == "accuracy" else "values of R²"

    @property
    def title(self) -> str:
        """The name at the beginning of a title."""
        return self.name[:1].upper() + self.name[1:]


ACCURACY = Measure("accuracy", "accuracy", "ACC", 0.0)
# the coefficient of determination: 1 for exact answers, 0 for the mean of the test targets
R2 = Measure("R²", "R2", "R²", -math.inf)
EITHER = Measure("accuracy or R²", "accuracy", "ACC or R²", -math.inf)  # of runs of both kinds


def regression(dataset: object) -> bool:
    """Whether the section ``dataset`` of a config is of numbers; configs before there was a choice
    are of classes."""
    return isinstance(dataset, Mapping) and dataset.get("target") == REGRESSION


def measure_of(dataset: object) -> Measure:
    """What the matrix of a run on this ``dataset`` holds."""
    return R2 if regression(dataset) else ACCURACY


def together(measures: Iterable[Measure]) -> Measure:
    """What the matrices of several runs hold."""
    found = set(measures)
    return found.pop() if len(found) == 1 else EITHER if found else ACCURACY


def check_target(dataset: Mapping[str, Any], targets: Iterable[str]) -> None:
    """A :class:`UsageError` if ``target`` is not among the ``targets`` of the dataset's stream, or
    contradicts what else is said of it."""
    name, target = dataset.get("name"), str(dataset.get("target", "classes"))
    if target not in targets:
        if target == REGRESSION:
            raise UsageError(
                f"dataset.target=regression needs numbers as targets, dataset={name} has classes; "
                f"choose dataset={WITH_NUMBERS}, or dataset.target=classes"
            )
        raise UsageError(
            f"dataset={name} has numbers as targets, which dataset.target={target} cannot learn; "
            "set dataset.target=regression"
        )
    if target == REGRESSION and dataset.get("scenario") != "domain":
        raise UsageError(
            f"dataset.scenario={dataset.get('scenario')} is about classes, and "
            "dataset.target=regression has none; choose dataset.scenario=domain"
        )
