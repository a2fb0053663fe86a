"""Which settings a tuning tries: all combinations, or what Optuna proposes after each result."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from cl_bench.config.combinations import combinations
from cl_bench.config.compose import parsed
from cl_bench.errors import UsageError
from cl_bench.sweep.outcomes import NO_RUNS

Setting = tuple[str, ...]  # KEY=VALUE of every option that is tuned


class Search(Protocol):
    """``samples`` are settings to check the options by, ``values`` says what is tried of each
    option, as it is written."""

    samples: list[Setting]
    values: dict[str, list[str]]

    def settings(self, scores: Sequence[float]) -> Iterator[Setting]:
        """The settings in their order; ``scores`` holds those of all before the next is taken,
        more is better."""

    def edge(self, key: str, value: str) -> str:
        """``smallest`` or ``largest`` if the value is so near the end of what is tried that the
        best may lie beyond; else empty."""


class Grid:
    """All combinations, the last option's values changing fastest."""

    def __init__(self, swept: Mapping[str, str]) -> None:
        for word in swept.values():
            if not parsed([word])[0].is_discrete_sweep():
                raise UsageError(
                    f"{word}: an interval is searched with --sampler optuna; for a grid write the "
                    "values themselves"
                )
        self.samples = [tuple(words) for words in combinations(list(swept.values()), sweep=True)]
        if not self.samples:
            raise UsageError(NO_RUNS)
        self.values = {
            key.lstrip("+"): list(dict.fromkeys(_value(words[i]) for words in self.samples))
            for i, key in enumerate(swept)
        }

    def settings(self, scores: Sequence[float]) -> Iterator[Setting]:
        yield from self.samples

    def edge(self, key: str, value: str) -> str:
        try:
            numbers = [float(word) for word in self.values[key]]
        except ValueError:  # of words none is at an edge
            return ""
        return _edge(float(value), min(numbers), max(numbers), 0.0)


DIGITS = 3  # of the numbers that are proposed: what follows them is noise
NEAR = 0.05  # of an interval: so near its end the best may lie beyond


class Optuna:
    """Settings by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), one after the
    other; the same results lead to the same proposals, so that a search goes on where it was.

    ``KEY=a,b,c`` is a choice, ``range(1,10)`` steps, ``interval(0.001,1)`` numbers,
    ``int(interval(1,100))`` whole ones, ``tag(log,interval(0.001,1))`` numbers by their logarithm.
    """

    def __init__(self, swept: Mapping[str, str], trials: int) -> None:
        if importlib.util.find_spec("optuna") is None:
            raise UsageError("--sampler optuna is not installed: pip install 'cl-bench[optuna]'")
        self.trials = trials
        self.space = {key: _space(word) for key, word in swept.items()}
        self.values = {key.lstrip("+"): [_value(word)] for key, word in swept.items()}
        self.samples = [
            tuple(f"{key}={_ends(of)[end]}" for key, of in self.space.items()) for end in (0, 1)
        ]

    def settings(self, scores: Sequence[float]) -> Iterator[Setting]:
        optuna: Any = importlib.import_module("optuna")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=0)
        )
        for number in range(self.trials):
            trial = study.ask()
            yield tuple(f"{key}={_suggested(trial, key, of)}" for key, of in self.space.items())
            study.tell(trial, scores[number])

    def edge(self, key: str, value: str) -> str:
        of = next(of for name, of in self.space.items() if name.lstrip("+") == key)
        if of["kind"] == "choice":
            return ""
        low, high, number = of["low"], of["high"], float(value)
        if of["log"]:
            low, high, number = map(math.log, (low, high, number))
        return _edge(number, low, high, NEAR * (high - low))


def _edge(value: float, low: float, high: float, near: float) -> str:
    if low == high:
        return ""
    return "largest" if value >= high - near else "smallest" if value <= low + near else ""


def _value(word: str) -> str:
    return word.partition("=")[2]


def _space(word: str) -> dict[str, Any]:
    """What may be proposed for an option, of its word with all values."""
    from hydra.core.override_parser.types import IntervalSweep, RangeSweep

    override = parsed([word])[0]
    found: Any = override.value()
    log = "log" in getattr(found, "tags", ())
    if isinstance(found, IntervalSweep):
        whole = isinstance(found.start, int) and isinstance(found.end, int)
        space = {"low": found.start, "high": found.end, "step": None, "whole": whole}
    elif isinstance(found, RangeSweep) and found.step and not found.shuffle:
        whole = all(isinstance(n, int) for n in (found.start, found.stop, found.step))
        count = math.ceil((found.stop - found.start) / found.step)
        last = found.start + (count - 1) * found.step
        space = {"low": found.start, "high": last, "step": found.step, "whole": whole}
    else:
        words = combinations([word], sweep=True)
        return {"kind": "choice", "values": [_value(one) for (one,) in words]}
    if not space["low"] < space["high"] or (log and space["low"] <= 0):
        above = " above 0" if log else ""
        raise UsageError(f"{word}: needs two ends{above}, the smaller one first")
    return {"kind": "number", "log": log, **space}


def _ends(of: Mapping[str, Any]) -> list[Any]:
    """The first and the last of what may be proposed."""
    if of["kind"] == "choice":
        return [of["values"][0], of["values"][-1]]
    return [of["low"], of["high"]]


def _suggested(trial: Any, key: str, of: Mapping[str, Any]) -> Any:
    if of["kind"] == "choice":
        return trial.suggest_categorical(key, of["values"])
    low, high, log, step = of["low"], of["high"], of["log"], None if of["log"] else of["step"]
    if of["whole"]:
        return trial.suggest_int(key, low, high, step=step or 1, log=log)
    return float(f"{trial.suggest_float(key, low, high, step=step, log=log):.{DIGITS}g}")
