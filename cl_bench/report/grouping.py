"""Which runs belong together: what varies, what may be averaged, and what must not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cl_bench.config.schema import similar
from cl_bench.config.target import Measure, together
from cl_bench.errors import UsageError
from cl_bench.report.collect import FORGOTTEN, RecordedRun

NONE = "–"
# told first when rows are labelled; what they do not tell apart comes after, by name
FIRST = (
    "method.name", "dataset.name", "dataset.scenario", "dataset.task_identity",
    "model.name", "dataset.order",
    "dataset.order_seed", "memory.size", "memory.name",
)  # fmt: skip
ORDER_KEYS = ("dataset.order", "dataset.order_seed")
# what a result depends on besides its settings; rows that would mix them are split
PROVENANCE = {"code": "code versions", "data": "contents of the dataset"}


@dataclass
class Group:
    """Runs that differ in their seed alone; ``settings`` (text) are those that vary somewhere."""

    settings: dict[str, str]
    runs: list[RecordedRun]

    @property
    def measure(self) -> Measure:
        """What the matrices of its runs hold."""
        return together(run.measure for run in self.runs)

    def label(self, keys: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.settings.get(key, NONE) for key in keys)


@dataclass
class Grouping:
    """``labels`` are the settings that tell the groups apart, the fewest that do."""

    labels: list[str]
    groups: list[Group]
    notes: list[str]


def text(value: Any) -> str:
    """A setting as it is printed: as YAML has it, a dash for one that is not set."""
    if value is None:
        return NONE
    return str(value).lower() if isinstance(value, bool) else str(value)


def setting(run: RecordedRun, key: str) -> str:
    if key == "code":
        return run.code
    if key == "data":
        dataset = run.environment.get("dataset")
        return text(dataset.get("sha256") if isinstance(dataset, dict) else None)[:8]
    return text(run.seed if key == "seed" else run.settings.get(key))


def varying(runs: Sequence[RecordedRun]) -> list[str]:
    """Settings that are not the same in all ``runs``, seeds left out.

    ``dataset.seed`` is left out as long as it follows ``seed``, which is its default.
    """
    keys = sorted({key for run in runs for key in run.settings})
    if all(run.settings.get("dataset.seed", run.seed) == run.seed for run in runs):
        keys = [key for key in keys if key != "dataset.seed"]
    return [key for key in keys if len({setting(run, key) for run in runs}) > 1]


def group(runs: Sequence[RecordedRun], by: Sequence[str] = ()) -> Grouping:
    """``runs`` (all readable) in groups of equal settings, or of equal ``by`` alone."""
    vary = varying(runs)
    notes: list[str] = []
    if by:
        keys = [resolve(key, runs) for key in by]
        groups = split(runs, keys)
        for key in [*vary, *PROVENANCE]:
            mixed = sorted({setting(run, key) for g in groups for run in g.runs if _mixes(g, key)})
            if mixed and key not in keys:
                notes.append(f"averaged over {PROVENANCE.get(key, key)}: {', '.join(mixed)}")
        return Grouping(keys, groups, notes)
    keys = list(vary)
    for key, meaning in PROVENANCE.items():
        groups = split(runs, keys)
        if any(_mixes(g, key) for g in groups):
            keys.append(key)
            notes.append(f"runs with equal settings but different {meaning} are kept apart")
        elif len(found := sorted({setting(run, key) for run in runs})) > 1:
            notes.append(f"rows were made with different {meaning}: {', '.join(found)}")
    groups = split(runs, keys)
    return Grouping(telling_apart(groups, keys), groups, notes)


def split(runs: Iterable[RecordedRun], keys: Sequence[str]) -> list[Group]:
    """Groups of equal ``keys``, sorted by them."""
    found: dict[tuple[str, ...], Group] = {}
    for run in runs:
        settings = {key: setting(run, key) for key in keys}
        found.setdefault(tuple(settings.values()), Group(settings, [])).runs.append(run)
    ordered = sorted(keys, key=importance)
    for member in found.values():
        member.runs.sort(key=lambda run: run.seed)
    return sorted(found.values(), key=lambda g: [natural(g.settings[key]) for key in ordered])


def telling_apart(groups: Sequence[Group], keys: Iterable[str]) -> list[str]:
    """The method, all that makes the streams differ, and of the other ``keys`` those that tell
    apart what earlier ones do not.

    A dataset's settings are told even where each goes with one method: such rows do not compare.
    """
    for member in groups:
        member.settings["method.name"] = setting(member.runs[0], "method.name")
    labels = ["method.name"]
    for key in sorted(set(keys) - {"method.name"}, key=importance):
        told = list(filter(of_stream, labels)) if of_stream(key) else labels
        if _kinds(groups, [*told, key]) > _kinds(groups, told):
            labels.append(key)
    return labels


def of_stream(key: str) -> bool:
    """Whether the setting is about what is learned and measured, and not about how."""
    return key == FORGOTTEN or (key.startswith("dataset.") and key != "dataset.batch_size")


def resolve(key: str, runs: Sequence[RecordedRun]) -> str:
    """A setting's full name: ``method`` stands for ``method.name``."""
    known = {"seed", *PROVENANCE, *(key for run in runs for key in run.settings)}
    for name in (key, f"{key}.name"):
        if name in known:
            return name
    raise UsageError(f"{key}: no such setting in these runs{similar(key, sorted(known))}")


def importance(key: str) -> tuple[int, str]:
    """Sorts settings: the main ones, the others, the provenance."""
    place = FIRST.index(key) if key in FIRST else len(FIRST) + (key in PROVENANCE)
    return (place, key)


def natural(value: str) -> tuple[int, float, str]:
    """Numbers by size and before words, a dash first."""
    try:
        return (0, float(value), "")
    except ValueError:
        return (-1 if value == NONE else 1, 0.0, value)


def _kinds(groups: Sequence[Group], keys: Sequence[str]) -> int:
    return len({g.label(keys) for g in groups})


def _mixes(member: Group, key: str) -> bool:
    return len({setting(run, key) for run in member.runs}) > 1


def tuned_notes(groups: Sequence[Group], labels: Sequence[str]) -> list[str]:
    """How the settings of each row were chosen, of the rows that say it."""
    notes = []
    for member in groups:
        told = [run.tuned.sentence() for run in member.runs if run.tuned is not None]
        words = ", ".join(word for word in member.label(labels) if word != NONE)
        for sentence, count in Counter(told).items():
            n = len(member.runs)
            some = f" ({count} of {n} runs)" if count < n else ""
            notes.append(f"{words}{some}: {sentence}")
    return notes


def environment_notes(groups: Sequence[Group]) -> list[str]:
    """What makes numbers of one row, or times of different rows, hard to compare."""
    notes = []
    runs = [run for member in groups for run in member.runs]
    if forgetful := sum(FORGOTTEN in run.settings for run in runs):
        notes.append(
            f"{forgetful} of {len(runs)} runs have forgotten tasks since; their numbers are about "
            "the tasks that are left"
        )
    changed = sum(run.code.partition(" + ")[0].endswith(" changed") for run in runs)
    if changed:
        notes.append(f"{changed} of {len(runs)} runs used code with changes beyond its commit")
    if any(not run.environment for run in runs):
        notes.append("some runs do not say what code they were made with")
    without = {setting(run, "method.name") for run in runs if setting(run, "memory.name") == "none"}
    if len({setting(run, "memory.size") for run in runs} - {NONE}) > 1 and without:
        notes.append(
            f"{', '.join(sorted(without))}: no memory, so one run whatever memory.size a sweep has"
        )
    machines = {
        tuple(text(run.environment.get(key)) for key in ("cpu", "device", "threads"))
        for run in runs
    }
    if len(machines) > 1:
        kinds = len({(cpu, device) for cpu, device, _ in machines})
        what = f"{kinds} kinds of machine" if kinds > 1 else "one machine with other threads"
        notes.append(f"the runs come from {what}: compare their seconds with care")
    torches = {_torch(run) for run in runs}
    if len(torches) > 1:
        notes.append(f"the runs used different PyTorch versions: {', '.join(sorted(torches))}")
    return notes


def _torch(run: RecordedRun) -> str:
    packages = run.environment.get("packages")
    return text(packages.get("torch") if isinstance(packages, dict) else None)
