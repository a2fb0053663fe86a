"""All metrics: what each is called and means, and its value for what is on disk of a run.

A metric is one function in a file of this room (see :func:`cl_bench.metrics.base.metric`). Values
are computed when a run is read, so that runs of earlier versions have today's metrics too.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np

from cl_bench.config import registry
from cl_bench.config.origins import shown, told
from cl_bench.errors import UsageError
from cl_bench.metrics.base import Kind, Measured, Metric

log = logging.getLogger("cl_bench")


def known() -> dict[str, Metric]:
    """Key -> metric, in the order of the tables: the package's first, then those of each included
    folder, the room's files by name, each from its top."""
    modules = tuple(registry.modules("metric"))
    return _of(modules, tuple(registry.registered_under("metric").items()))


@lru_cache(maxsize=8)
def _of(modules: Sequence[ModuleType], given: Sequence[tuple[str, Metric]]) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Metric) and value.of.__module__ == module.__name__:
                if value.key in found:
                    code = value.of.__code__
                    raise UsageError(
                        f"{shown(Path(code.co_filename))}, line {code.co_firstlineno}: there is a "
                        f"metric {value.key} already; choose another name"
                    )
                found[value.key] = value
    return found | dict(given)


def of_kind(*kinds: Kind) -> list[Metric]:
    """The metrics of these kinds."""
    return [metric for metric in known().values() if metric.kind in kinds]


def find(key: str) -> Metric:
    """The metric; for a number that only a method knows, one that is called by its key."""
    return known().get(key) or Metric(
        key, key.replace("_", " "), "a number of the method's own", lambda m: m.recorded.get(key)
    )


def _value(metric: Metric, measured: Measured) -> float | None:
    """One of the package's own must not fail; of another's a failure is told, and costs no run."""
    if metric.of.__module__.startswith("cl_bench."):
        return metric.of(measured)
    try:
        value = metric.of(measured)
        return None if value is None else float(value)
    except Exception as error:
        where = told(error, Path(metric.of.__code__.co_filename))
        log.warning("the metric %s is left out: %s", metric.key, where)
        return None


def compute(measured: Measured) -> dict[str, float | None]:
    """What was recorded, and every metric of a run; None where one is undefined (T = 1).

    A metric that needs what is not there (a reference) is left out; where the matrix is known in
    part only, what was recorded stands.
    """
    partly = np.isnan(measured.matrix).any()
    found: dict[str, float | None] = {}
    for metric in of_kind("accuracy", "cost"):
        if any(getattr(measured, name) is None for name in metric.needs):
            continue
        value = _value(metric, measured)
        if value is not None and math.isfinite(value):
            found[metric.key] = float(value)
        elif metric.kind == "accuracy":
            found[metric.key] = measured.recorded.get(metric.key) if partly else None
    return {**found, **{k: v for k, v in measured.recorded.items() if k not in found}}
