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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.config.combinations import combinations
from cl_bench.config.compose import checked, compose, parsed
from cl_bench.config.overrides import read_line
from cl_bench.config.schema import RunConfig, flat, similar
from cl_bench.config.target import measure_of
from cl_bench.config.words import words_of
from cl_bench.errors import RunError, UsageError
from cl_bench.files.untrusted import clean, read_status
from cl_bench.results.tuned import Tuned, where, write_tuned
from cl_bench.run.job import told_on_stderr
from cl_bench.sweep.outcomes import check_launcher
from cl_bench.sweep.tune_search import Grid, Optuna, Search, Setting

if TYPE_CHECKING:
    from cl_bench.metrics.base import Metric

# seeds of the runs that a choice is made by: TUNING, TUNING + 1, ...; those that are reported begin
# with 0, as everywhere, so that they make pairs with the runs of other commands
TUNING = 1000
FOLDER = ".tuning"  # of the first half's runs, in `outputs`; a report has them if it is asked to
GROUPS = ("method", "model", "memory")
OF_THE_DATASET = ("dataset.batch_size", "dataset.epochs", "dataset.augment")
DONE = ("finished", "diverged")  # nothing more can come of such a run


@dataclass(frozen=True)
class Asked:
    """``words`` of a sweep, whose lists are what is tuned; a list of methods stands for as many
    choices, one for each. ``report`` are words that hold on the stream that is reported alone.
    ``trials``: so many settings, proposed by Optuna; None: all combinations."""

    words: Sequence[str]
    report: Sequence[str] = ()
    metric: str = "acc"
    seeds: int = 3
    report_seeds: int = 5
    trials: int | None = None

    @property
    def tuning_seeds(self) -> list[int]:
        return list(range(TUNING, TUNING + self.seeds))


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
    line = read_line(asked.words)
    if line.showing or line.sweep:
        raise UsageError("tune: takes GROUP=CHOICE and KEY=VALUE alone; see cl-bench tune -h")
    for number, flag, most in (
        (asked.seeds, "--seeds", TUNING),
        (asked.report_seeds, "--report-seeds", TUNING),
        (asked.trials, "--trials", 10_000),
    ):
        if number is not None and not 1 <= number <= most:
            raise UsageError(f"{flag} {number}: should be from 1 to {most}")
    check_launcher(line.overrides)
    swept, plain = {}, []
    for override in parsed(line.overrides):
        key = override.get_key_element()
        _check_key(override.input_line, key.lstrip("+"), override.is_sweep_override())
        if override.is_sweep_override():
            swept[key] = override.input_line
        else:
            plain.append(override.input_line)
    for word in asked.report:
        key = word.partition("=")[0]
        _check_key(f"--report {word}", key, False)
        if key == "method" or ("=" in word and key in swept):
            raise UsageError(f"--report {word}: is reported as it was tuned; leave it out")
    methods = swept.pop("method", None)
    if not swept:
        raise UsageError(
            "tune: there is nothing to choose from; give an option several values, as in "
            "'method.lr=0.01,0.03,0.1'"
        )
    each = combinations([methods], sweep=True) if methods else [[]]
    found = [Tuning(asked, [*plain, *words], swept) for words in each]
    for tuning in found:
        tuning.check()
    return found


def _check_key(word: str, key: str, swept: bool) -> None:
    if key == "seed":
        raise UsageError(f"{word}: tune has seeds of its own; say --seeds N and --report-seeds N")
    if key == "dataset.phase":
        raise UsageError(f"{word}: tune sets it; say dataset.tune_tasks=K alone")
    group = key.partition(".")[0]
    if swept and group not in GROUPS and key not in OF_THE_DATASET:
        told = "one stream to tune on; others are what --report names" if group == "dataset" else (
            f"is not tuned; what is tuned is of {', '.join(GROUPS)}, or {', '.join(OF_THE_DATASET)}"
        )  # fmt: skip
        raise UsageError(f"{word}: {told}")


class Tuning:
    """One method's choice and its report; ``swept`` is option -> its word with all values."""

    def __init__(self, asked: Asked, plain: Sequence[str], swept: Mapping[str, str]) -> None:
        self.asked, self.plain, self.swept = asked, list(plain), dict(swept)
        self._metric = _metric(asked.metric)
        self._composed: dict[tuple[str, ...], list[RunConfig]] = {}
        self.search: Search = Grid(swept) if asked.trials is None else Optuna(swept, asked.trials)

    # -- what is asked for ---------------------------------------------------------------------

    @cached_property
    def example(self) -> RunConfig:
        """The first run of the first setting, before it is known which tasks are for tuning."""
        return self._configs([*self.plain, *self.search.samples[0]], [TUNING])[0]

    @property
    def method(self) -> str:
        return str(self.example.method["name"])

    @property
    def stream(self) -> str:
        return str(self.example.dataset["name"])

    @property
    def outputs(self) -> Path:
        return Path(self.example.outputs).expanduser()

    @property
    def reserved(self) -> int:
        """Tasks of the stream that are for tuning alone."""
        found = self.example.dataset.get("tune_tasks")
        return found if isinstance(found, int) else 0

    @cached_property
    def metric(self) -> Metric:
        """What the choice is made by, as it is told of the stream that is tuned on."""
        from cl_bench.metrics.base import as_told

        return as_told(self._metric, measure_of(self.example.dataset))

    @property
    def where(self) -> str:
        """What is tuned on."""
        return where(self.stream, self.reserved)

    @property
    def tuned_in(self) -> Path:
        """Where the runs of the first half are."""
        return self.outputs / FOLDER

    @property
    def seeds_reported(self) -> list[int]:
        return list(range(self.asked.report_seeds))

    def tuning_words(self, setting: Sequence[str] | None = None) -> list[str]:
        """The sweep of one setting over the tuning seeds, or of all."""
        setting = setting or list(self.swept.values())
        return [*self._tuned_on(setting), _seed_word(self.asked.tuning_seeds)]

    def report_words(self, setting: Sequence[str]) -> list[str]:
        """The sweep of what is reported, over its seeds."""
        return [*self._reported(setting), _seed_word(self.seeds_reported)]

    def _tuned_on(self, setting: Sequence[str]) -> list[str]:
        own = [word for word in self.plain if not word.startswith("outputs=")]
        own += words_of({"outputs": str(self.tuned_in)})
        if not any(word.startswith("plots=") for word in own):
            own.append("plots=false")
        if self.reserved:
            own.append("dataset.phase=tune")
        return [*own, *setting]

    def _reported(self, setting: Sequence[str]) -> list[str]:
        told = [word if "=" in word else f"dataset={word}" for word in self.asked.report]
        elsewhere = any(word.startswith("dataset=") for word in told)
        own = [w for w in self.plain if not (elsewhere and w.startswith("dataset="))]
        return [*own, *told, *setting]

    def check(self) -> None:
        """A :class:`UsageError` for an option that a run of either half would refuse, and for a
        stream that would be reported and tuned on."""
        for setting in self.search.samples:
            self.tuning_configs(setting)
            for cfg in self.report_configs(setting):
                self._check_apart(cfg)
        needs = self.metric.needs
        if "reference" in needs or ("curve" in needs and self.example.evaluate_every is None):
            way_out = "set evaluate_every" if "curve" in needs else "choose another metric"
            raise UsageError(f"--metric {self.metric.key}: the runs would not have it; {way_out}")

    def _check_apart(self, reported: RunConfig) -> None:
        ours, theirs = self.example.dataset, reported.dataset
        same = ours["name"] == theirs["name"] and _samples(self.example) == _samples(reported)
        if same and not self.reserved:
            raise UsageError(
                f"tune: {self.stream} would be tuned on and reported, which overstates; name "
                "another stream with --report, or keep some of its tasks for tuning with "
                "dataset.tune_tasks=K"
            )
        if not same and self.reserved:
            raise UsageError(
                f"--report {theirs['name']}: with dataset.tune_tasks={self.reserved} the other "
                f"tasks of {self.stream} are reported; leave one of the two out"
            )
        if same and ours.get("tune_tasks") != theirs.get("tune_tasks"):
            raise UsageError(
                f"--report dataset.tune_tasks={theirs.get('tune_tasks')}: what is reported leaves "
                f"out the {self.reserved} tasks that were tuned on; leave it out"
            )
        if same and ours.get("class_order") == "seeded" and ours.get("seed") == TUNING:
            raise UsageError(
                "dataset.class_order=seeded: each seed would keep other classes for tuning, and "
                "report those of others; fix the tasks with dataset.seed=0"
            )

    def tuning_configs(self, setting: Setting) -> list[RunConfig]:
        """One setting's runs of the first half."""
        return self._configs(self._tuned_on(setting), self.asked.tuning_seeds)

    def report_configs(self, setting: Setting) -> list[RunConfig]:
        """The runs of the second half, were this the best setting."""
        jobs = combinations(self._reported(setting), sweep=True)
        return [cfg for words in jobs for cfg in self._configs(words, self.seeds_reported)]

    def _configs(self, words: Sequence[str], seeds: Sequence[int]) -> list[RunConfig]:
        """Those of one setting, checked as ``--dry-run`` does it; each is composed once."""
        if (key := tuple(words)) not in self._composed:
            self._composed[key] = list(_composed(words, seeds))
        return self._composed[key]

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

    def differences(self, setting: Setting) -> list[str]:
        """What else is set otherwise where it is reported, since the settings for a method and a
        stream come with the stream; and that the two streams are of the same samples."""
        there = self.tuning_configs(setting)[0]
        notes = [
            f"{cfg.dataset['name']} has the samples of {self.stream}: another dataset is a "
            "stricter test"
            for cfg in self.report_configs(setting)
            if not self.reserved and _samples(cfg) == _samples(there)
        ]
        notes += [
            f"on {cfg.dataset['name']} it will not be set as where it is tuned: {', '.join(other)}"
            for cfg in self.report_configs(setting)
            if (other := _different(there, cfg, set(self.search.values)))
        ]
        return list(dict.fromkeys(notes))

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


def _metric(key: str) -> Metric:
    from cl_bench import metrics

    judged = [m.key for m in metrics.known().values() if m.better and m.kind != "order"]
    if key not in judged:
        raise UsageError(
            f"--metric {key}: is none that says which run is better{similar(key, judged)} (choose "
            f"from {', '.join(judged)})"
        )
    return metrics.find(key)


def _composed(words: Sequence[str], seeds: Sequence[int]) -> Iterator[RunConfig]:
    from omegaconf import OmegaConf

    from cl_bench.run.build import choose

    composed = compose([word for word in words if not word.startswith("hydra")])
    for seed in seeds:
        one = composed.copy()  # to compose takes much longer
        OmegaConf.update(one, "seed", seed)
        cfg = checked(one)
        if seed == seeds[0]:
            choose(cfg)
        yield cfg


def _seed_word(seeds: Sequence[int]) -> str:
    return f"seed={','.join(map(str, seeds))}"


def _directory(cfg: RunConfig) -> Path:
    return Path(cfg.outputs).expanduser() / cfg.directory_name()


def _state(directory: Path) -> str:
    return read_status(directory)[0] if (directory / "status.json").is_file() else "not begun"


def _samples(cfg: RunConfig) -> list[Any]:
    """Where a stream's samples are from."""
    return [cfg.dataset.get(key) for key in ("source", "path", "read")]


def _different(there: RunConfig, here: RunConfig, tuned: set[str]) -> list[str]:
    """How a method is set otherwise on the two streams, but for what was tuned."""

    def settings(cfg: RunConfig) -> dict[str, Any]:
        values = flat({group: getattr(cfg, group) for group in GROUPS})
        of_data = {key: cfg.dataset.get(key.partition(".")[2]) for key in OF_THE_DATASET}
        return {key: value for key, value in {**values, **of_data}.items() if key not in tuned}

    from cl_bench.report.grouping import text

    ours, theirs = settings(there), settings(here)
    return [
        f"{key}={text(theirs.get(key))} (there {text(ours.get(key))})"
        for key in sorted(ours | theirs)
        if ours.get(key) != theirs.get(key)
    ]
