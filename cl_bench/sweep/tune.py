"""``cl-bench tune``: settings are chosen on one stream, and what they are worth is measured on
another, with seeds that the choice has not seen.

Both halves are sweeps. What is chosen is read from the directories of the first one's runs, so that
the same command goes on wherever it was stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cl_bench.config.schema import RunConfig
from cl_bench.errors import RunError
from cl_bench.files.untrusted import clean, read_status
from cl_bench.results.tuned import Tuned, write_tuned
from cl_bench.run.job import told_on_stderr
from cl_bench.sweep.tune_asked import Asked, Question, told_apart
from cl_bench.sweep.tune_search import Setting

DONE = ("finished", "diverged")  # nothing more can come of such a run


@dataclass(frozen=True)
class Trial:
    """One setting: its ``words``, the metric of those runs that finished, and what became of the
    others."""

    words: tuple[str, ...]
    values: tuple[float, ...]
    failed: tuple[str, ...]
    runs: tuple[Path, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Choice:
    """The best of ``trials``, what a report says of it, and ``notes`` on what to bear in mind."""

    trials: list[Trial]
    best: Trial
    tuned: Tuned
    notes: list[str] = field(default_factory=list)


def tunings(asked: Asked) -> list[Tuning]:
    """One for each method, all options checked as far as they can be without data.

    Raises :class:`UsageError` for what cannot be tuned, or would be reported where it was tuned.
    """
    found = [Tuning(asked, plain, swept) for plain, swept in told_apart(asked)]
    for tuning in found:
        tuning.check()
    return found


class Tuning(Question):
    """One method's choice and its report, carried out."""

    # -- what has come of it ---------------------------------------------------------------------

    def choose(self, carry_out: Callable[[list[str]], Any]) -> Choice:
        """Carry out what is missing of the first half, and choose. ``carry_out`` takes the words of
        a sweep."""
        if self.asked.trials is None and self._to_do(self.search.samples):
            carry_out(self.tuning_words())  # all at once, as many side by side as a launcher will
        trials: dict[Setting, Trial] = {}
        scores: list[float] = []
        for setting in self.search.settings(scores):
            if self.asked.trials is not None and setting not in trials and self._to_do([setting]):
                carry_out(self.tuning_words(setting))
            trials[setting] = self.read(setting)
            scores.append(self._score(trials[setting]))
        return self.chosen(list(trials.values()))

    def known(self) -> Choice | None:
        """The choice, if nothing is to be carried out for it any more."""

        def missing(words: list[str]) -> None:
            raise RunError("there is more to do")

        try:
            return self.choose(missing)
        except RunError:
            return None

    def _to_do(self, settings: Sequence[Setting]) -> bool:
        return self.example.force or any(
            _state(_directory(cfg)) not in DONE
            for setting in settings
            for cfg in self.tuning_configs(setting)
        )

    def _score(self, trial: Trial) -> float:
        return -math.inf if trial.failed else self.metric.better * trial.mean

    def read(self, setting: Setting) -> Trial:
        """What came of one setting; a :class:`RunError` if its runs have not all ended."""
        from cl_bench.report.collect import read_run
        from cl_bench.run.finished import check_results

        values, failed = [], []
        directories = []
        for cfg in self.tuning_configs(setting):
            directories.append(directory := _directory(cfg))
            state = _state(directory)
            if state not in (*DONE, "failed"):
                raise RunError(
                    f"tune: {directory} has not ended ({state}), so nothing is chosen; the same "
                    "command goes on"
                )
            if state == "finished":
                with told_on_stderr(logging.ERROR):  # that the code has changed is no error
                    check_results(directory, cfg)
            run = read_run(directory)
            if run.problem is not None:
                failed.append(run.problem)
            elif (value := run.metrics.get(self.metric.key)) is None:
                raise RunError(
                    f"--metric {self.metric.key}: {directory} has no {self.metric.heading}; choose "
                    "another metric"
                )
            else:
                values.append(value)
        return Trial(setting, tuple(values), tuple(failed), tuple(directories))

    def chosen(self, trials: Sequence[Trial]) -> Choice:
        """The setting with the best mean; of equal ones the first. One that failed or diverged
        with any seed is worse than all that did not."""
        best = max(trials, key=self._score)  # the first of equal ones
        if best.failed:
            raise RunError(
                f"tune: no setting finished with all of {self.asked.seeds} seeds, so nothing is "
                f"chosen; the first: {clean(trials[0].failed[0], 500)}"
            )
        picked = dict(word.lstrip("+").partition("=")[::2] for word in best.words)
        edges = [key for key, value in picked.items() if self.search.edge(key, value)]
        tuned = Tuned(
            stream=self.stream,
            reserved=self.reserved,
            metric=self.metric.key,
            target=self.example.dataset.get("target", "classes"),
            seeds=self.asked.tuning_seeds,
            runs=len({path for trial in trials for path in trial.runs}),
            failed=sum(len(trial.failed) for trial in trials),
            values=self.search.values,
            chosen=picked,
            edges=edges,
        )
        return Choice(list(trials), best, tuned, self._notes(trials, best, tuned))

    def _notes(self, trials: Sequence[Trial], best: Trial, tuned: Tuned) -> list[str]:
        notes = []
        tied = [t for t in trials if t is not best and self._score(t) == self._score(best)]
        if tied:
            names = "; ".join(" ".join(trial.words) for trial in tied)
            notes.append(f"{names}: the same mean; the first in the table is taken")
        for key in tuned.edges:
            side = self.search.edge(key, tuned.chosen[key])
            of = f"near the {side}" if self.asked.trials else f"the {side} value"
            notes.append(f"{key}={tuned.chosen[key]} is {of} tried: the best may lie beyond")
        return notes

    def reported(self, choice: Choice) -> list[Path]:
        """Directories of the runs of the second half."""
        return list(map(_directory, self.reported_configs(choice)))

    def reported_configs(self, choice: Choice) -> list[RunConfig]:
        return self.report_configs(choice.best.words)

    # -- what is kept of it ----------------------------------------------------------------------

    @cached_property
    def record(self) -> Path:
        """The file that keeps it: the same command has the same."""
        question = [*self.plain, *self.swept.values(), *self.asked.report, self.asked.metric]
        question = [word for word in question if not word.startswith(("hydra", "device.", "quiet"))]
        counts = [self.asked.seeds, self.asked.report_seeds, self.asked.trials]
        digest = hashlib.sha256(json.dumps([question, counts]).encode()).hexdigest()
        return self.outputs / f"tuned-{self.method}-{self.stream}-{digest[:8]}.json"

    def write(self, choice: Choice) -> None:
        """The record, and in each reported run that is finished how its settings were chosen."""
        from cl_bench.files.atomic import write_json

        done = [path for path in self.reported(choice) if _state(path) == "finished"]
        for directory in done:
            write_tuned(directory, choice.tuned)
        self.outputs.mkdir(parents=True, exist_ok=True)
        told = {
            "method": self.method,
            **choice.tuned.model_dump(),
            "settings": [
                {
                    "words": list(trial.words),
                    "mean": trial.mean if trial.values else None,
                    "values": list(trial.values),
                    "failed": [clean(reason, 500) for reason in trial.failed],
                    "runs": [path.name for path in trial.runs],
                }
                for trial in choice.trials
            ],
            "notes": [*choice.notes, *self.differences(choice.best.words)],
            "reported": [path.name for path in done],
        }
        write_json(self.record, told)


def _directory(cfg: RunConfig) -> Path:
    return Path(cfg.outputs).expanduser() / cfg.directory_name()


def _state(directory: Path) -> str:
    return read_status(directory)[0] if (directory / "status.json").is_file() else "not begun"
