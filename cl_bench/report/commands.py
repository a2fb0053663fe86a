"""The command that makes a run, told from its configuration."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from cl_bench.config.compose import compose
from cl_bench.config.schema import default_identity, flat, further_identity
from cl_bench.errors import UsageError
from cl_bench.files.untrusted import Damaged, clean, read_yaml
from cl_bench.report.collect import IDENTITY, RecordedRun

# the sections that are chosen by name and follow from the method and the dataset otherwise
FOLLOWING = ("model", "memory")


class Commands:
    """Tells commands; what a choice of method and dataset composes is asked for once."""

    def __init__(self) -> None:
        self._composed: dict[tuple[str, ...], dict[str, dict[str, Any]] | None] = {}
        self._words: dict[Any, list[str] | None] = {}

    def of(self, runs: Sequence[RecordedRun]) -> str:
        """The command of ``runs`` that differ in their seed alone; empty if there is none, as for
        a method that is not known here."""
        words = self._choices(runs[0])
        if words is None or any(self._choices(run) != words for run in runs[1:]):
            return ""
        seeds = sorted({run.seed for run in runs if run.seed is not None})
        if len(seeds) == 1:
            return shlex.join(["cl-bench", *words, *([f"seed={seeds[0]}"] if seeds[0] else [])])
        span = f"range({seeds[0]},{seeds[-1] + 1})" if seeds[0] else f"range({seeds[-1] + 1})"
        whole = seeds == [*range(seeds[0], seeds[-1] + 1)]
        chosen = span if whole else ",".join(map(str, seeds))
        return shlex.join(["cl-bench", "-m", *words, f"seed={chosen}"])

    def _choices(self, run: RecordedRun) -> list[str] | None:
        if run.directory not in self._words:
            self._words[run.directory] = self._told(run)
        return self._words[run.directory]

    def _told(self, run: RecordedRun) -> list[str] | None:
        try:
            config = read_yaml(run.directory / "config.yaml")
        except Damaged:
            return None
        asked: dict[str, Any] = {section: config.get(section) for section in IDENTITY}
        if not all(isinstance(values, dict) for values in asked.values()):
            return None
        names = {section: str(asked[section].get("name")) for section in IDENTITY}
        if not all(re.fullmatch(r"[\w-]{1,80}", name) for name in names.values()):
            return None  # a choice is a name, never a path
        words = [f"{section}={names[section]}" for section in ("method", "dataset")]
        if (found := self._compose(words)) is None:
            return None
        words += [f"{s}={names[s]}" for s in FOLLOWING if found[s].get("name") != names[s]]
        if (composed := self._compose(words)) is None:
            return None
        found = {section: dict(values) for section, values in composed.items()}
        if asked["dataset"].get("seed") == config.get("seed"):
            asked["dataset"].pop("seed", None)  # it follows the run's
        table = found["dataset"].get("task_identity")  # the scenario decides, unless told otherwise
        found["dataset"] |= default_identity({**asked["dataset"], "task_identity": table})
        for section, values in found.items():
            words += [
                f"{section}.{key}={_value(asked[section][key])}"
                for key, default in values.items()
                if key in asked[section] and asked[section][key] != default
            ]
        further = flat(further_identity(config))
        return words + [f"{key}={_value(value)}" for key, value in further.items()]

    def _compose(self, words: Sequence[str]) -> dict[str, dict[str, Any]] | None:
        """The sections that determine a result; None if the words compose nothing."""
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        key = tuple(words)
        if key not in self._composed:
            try:
                config: Any = OmegaConf.to_container(compose(words), resolve=True)
                self._composed[key] = {section: config[section] for section in IDENTITY}
            except (UsageError, OmegaConfBaseException, KeyError):
                self._composed[key] = None
        return self._composed[key]


def _value(value: Any) -> str:
    """As Hydra's grammar reads it back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(map(_value, value)) + "]"
    if isinstance(value, int | float):
        return str(value)
    words = clean(value)
    if words and all(c.isalnum() or c in "_-./" for c in words):
        return words
    quoted = words.replace("\\", "\\\\").replace('"', r"\"")
    return f'"{quoted}"'
