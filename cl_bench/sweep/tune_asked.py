"""What ``cl-bench tune`` is asked for: the runs of both halves, checked before the first begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.config.combinations import combinations
from cl_bench.config.compose import checked, compose, parsed
from cl_bench.config.overrides import read_line
from cl_bench.config.schema import RunConfig, flat, similar
from cl_bench.config.target import measure_of
from cl_bench.config.words import words_of
from cl_bench.errors import UsageError
from cl_bench.results.tuned import where
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


def told_apart(asked: Asked) -> list[tuple[list[str], dict[str, str]]]:
    """For each method the plain words, and option -> its word with all values to choose from."""
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
    return [([*plain, *words], swept) for words in each]


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


class Question:
    """The runs of one method's choice and of its report.

    ``swept`` is option -> its word with all values.
    """

    def __init__(self, asked: Asked, plain: Sequence[str], swept: Mapping[str, str]) -> None:
        self.asked, self.plain, self.swept = asked, list(plain), dict(swept)
        self._metric = _metric(asked.metric)
        self._composed: dict[tuple[str, ...], list[RunConfig]] = {}
        self.search: Search = Grid(swept) if asked.trials is None else Optuna(swept, asked.trials)

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
