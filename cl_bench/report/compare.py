"""Paired differences against a baseline: same seed, same stream, same other settings."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from cl_bench.errors import UsageError
from cl_bench.report.collect import RecordedRun
from cl_bench.report.grouping import PROVENANCE, Group, Grouping, resolve, setting
from cl_bench.report.statistics import (
    LEVEL,
    Difference,
    Interval,
    Test,
    paired,
    smallest_p,
)

Runs = list[RecordedRun]  # of one seed and stream: several where ``--by`` averages over settings


class Baseline:
    """``method=single`` or several of them, ``method=gem,memory.size=200``."""

    def __init__(self, words: str, runs: Sequence[RecordedRun]) -> None:
        self.words = words
        self.wanted: dict[str, str] = {}
        for word in words.split(","):
            key, equals, value = word.partition("=")
            if not (key and equals):
                raise UsageError(f"--baseline {words}: write KEY=VALUE, such as method=single")
            self.wanted[resolve(key, runs)] = value
        if not any(map(self.chooses, runs)):
            raise UsageError(f"--baseline {words}: no finished run has these settings")

    def chooses(self, run: RecordedRun) -> bool:
        return all(setting(run, key) == value for key, value in self.wanted.items())

    def covers(self, key: str) -> bool:
        """Whether the baseline is about this setting: its own options belong to a choice."""
        section = key.partition(".")[0]
        return key in self.wanted or f"{section}.name" in self.wanted


def compare(
    grouping: Grouping,
    baseline: Baseline,
    metrics: Sequence[str],
    interval: Interval = "t",
    test: Test = "t",
) -> tuple[list[dict[str, Any]], list[str]]:
    """A row per group other than the baseline: metric -> :class:`Difference`, and notes."""
    bases = [g for g in grouping.groups if all(map(baseline.chooses, g.runs))]
    rows, notes = [], []
    for member in grouping.groups:
        if member in bases:
            continue
        base, reason = _counterpart(member, bases, grouping.groups, baseline)
        pairs = _pairs(member, base) if base else []
        if not pairs:
            name = ", ".join(member.label(grouping.labels))
            notes.append(f"{name} has no counterpart: {reason or 'no seed and stream in common'}")
            continue
        if reason:
            name = ", ".join(member.label(grouping.labels))
            notes.append(f"{name} and {baseline.words} differ in {reason} besides")
        rows.append({"group": member, "base": base, **_differences(pairs, metrics, interval, test)})
    return rows, notes


def difference(ours: Group, theirs: Group, metric: str, test: Test) -> Difference | None:
    """Of two groups in a metric, over the seeds and streams that both have; None without any."""
    return _differences(_pairs(ours, theirs), [metric], "t", test).get(metric)


def too_few(pairs: int, tests: int, test: Test) -> str:
    """The sentence where so few pairs are tested that no difference could reach the level of .05,
    corrected for the number of tests; empty where one could."""
    least = smallest_p(pairs, test)
    if least is None:
        return "one pair of seeds allows no test"
    if least * tests <= LEVEL:
        return ""
    held = f" ({min(1.0, least * tests):.3g} after Holm's correction of {tests})"
    return (
        f"{pairs} pairs of seeds cannot give a p below {least:.3g}{held if tests > 1 else ''}, "
        "whatever the difference"
    )


def _counterpart(
    member: Group, bases: Sequence[Group], groups: Sequence[Group], baseline: Baseline
) -> tuple[Group | None, str]:
    """The one baseline group that agrees with ``member``, and in what it had to differ."""
    best: list[tuple[Group, list[str]]] = []
    reasons: set[str] = set()
    for base in bases:
        different = [
            key
            for key in member.settings
            if key not in PROVENANCE
            and not baseline.covers(key)
            and member.settings[key] != base.settings[key]
        ]
        hard = [k for k in different if not _belongs_to_choice(k, member, base, groups, baseline)]
        if hard:
            reasons.update(hard)
        else:
            best.append((base, different))
    if len(best) == 1:
        base, different = best[0]
        provenance = [
            PROVENANCE[key] for key in PROVENANCE if setting(base.runs[0], key)
            != setting(member.runs[0], key)
        ]  # fmt: skip
        shown = [key for key in different if not key.startswith("memory.")]
        return base, ", ".join([*shown, *provenance])
    if best:
        return None, f"several baselines match; say more than {baseline.words}"
    return None, f"no baseline with the same {', '.join(sorted(reasons))}"


def _belongs_to_choice(
    key: str, member: Group, base: Group, groups: Sequence[Group], baseline: Baseline
) -> bool:
    """Whether a difference comes with the choice that is compared, and not from a sweep over it.

    A method without a memory has no size of it; a method may have settings that its paper tuned,
    the same in all its runs on this dataset.
    """
    if key.startswith("memory.") and "none" in (
        setting(member.runs[0], "memory.name"), setting(base.runs[0], "memory.name"),
    ):  # fmt: skip
        return True
    main = [k for k in baseline.wanted if k.endswith(".name")]
    if not main or key == "dataset.name":
        return False
    same = [*main, "dataset.name"]
    for side in (member, base):
        choice = [setting(side.runs[0], name) for name in same]
        alike = {
            g.settings[key] for g in groups if [setting(g.runs[0], name) for name in same] == choice
        }
        if len(alike) > 1:
            return False
    return True


def _pairs(member: Group, base: Group) -> list[tuple[Runs, Runs]]:
    """Both sides' runs of every seed and stream that both have."""
    ours, theirs = _by_occasion(member), _by_occasion(base)
    return [(runs, theirs[occasion]) for occasion, runs in ours.items() if occasion in theirs]


def _by_occasion(member: Group) -> dict[tuple[Any, ...], Runs]:
    found: dict[tuple[Any, ...], Runs] = {}
    for run in member.runs:
        found.setdefault(_occasion(run), []).append(run)
    return found


def _occasion(run: RecordedRun) -> tuple[Any, ...]:
    return run.seed, run.settings.get("dataset.seed"), run.environment.get("stream_sha256")


def _differences(
    pairs: Sequence[tuple[Runs, Runs]], metrics: Sequence[str], interval: Interval, test: Test
) -> dict[str, Difference]:
    """A side's runs of one seed and stream are one observation, their mean."""
    found = {}
    for metric in metrics:
        both = [[_values(side, metric) for side in pair] for pair in pairs]
        means = [(fmean(ours), fmean(theirs)) for ours, theirs in both if ours and theirs]
        if means:
            ours, theirs = zip(*means, strict=True)
            found[metric] = paired(ours, theirs, interval, test)
    return found


def _values(runs: Runs, metric: str) -> list[float]:
    return [run.metrics[metric] for run in runs if metric in run.metrics]
