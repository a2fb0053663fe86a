"""The arguments of a command line, in the order and the form in which Hydra takes them."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cl_bench.config.choices import GROUPS
from cl_bench.errors import UsageError

QUIET = ("-q", "--quiet")
DRY_RUN = "--dry-run"
# Hydra's flags that show something instead of running; ``-m`` and ``--config-dir`` go their own way
SHOWING = ("hydra_help", "cfg", "info", "shell_completion")
# those that read other configurations in place of ours, one of them by unpickling a file
REFUSED = {
    "--experimental-rerun": "it unpickles a file, which can execute code; config.yaml of a run "
    "directory says with what it was started",
    "--config-path": "the groups are those of cl-bench; --config-dir DIR adds your own to them",
    "--config-name": "the groups are those of cl-bench; --config-dir DIR adds your own to them",
}
# Hydra's own settings that stay; of the others some execute what they name
BATCH = "hydra.sweeper.max_batch_size"
HYDRA_KEYS = ("hydra/launcher", "hydra.launcher", BATCH)
# what a group's file says of itself: changed, a run would go by a wrong name
FIXED = ("name", "implementation", "source")


@dataclass(frozen=True)
class CommandLine:
    """``overrides`` as Hydra takes them, ``showing`` its flags that show something instead."""

    overrides: list[str]
    showing: list[str]
    sweep: bool
    dry_run: bool

    @property
    def completion(self) -> bool:
        return "-sc" in self.showing or "--shell-completion" in self.showing


def read_line(arguments: Sequence[str]) -> CommandLine:
    """The words of a command line told apart; a :class:`UsageError` for one that is nothing."""
    words = ["quiet=true" if word in QUIET else word for word in arguments if word != DRY_RUN]
    overrides = [word for word in words if _is_override(word)]
    flags = [word for word in words if not _is_override(word)]
    parsed = _parsed(flags)
    check_overrides(overrides)
    if parsed.config_dir is not None:
        overrides.append(_search(parsed.config_dir))
    showing = any(getattr(parsed, name) for name in SHOWING)
    return CommandLine(
        overrides,
        _without_config_dir(flags) if showing else [],
        parsed.multirun,
        DRY_RUN in arguments,
    )


def check_overrides(overrides: Sequence[str]) -> None:
    """A :class:`UsageError` for an override that Hydra would take, and a run must not."""
    for word in overrides:
        plain = word.lstrip("+~")
        key = plain.partition("=")[0].partition("@")[0]
        group, _, option = key.partition(".")
        if word.startswith("+") and key in GROUPS.values():
            raise UsageError(f"{word}: {key} has a choice already; write {plain}, without the plus")
        if word.startswith("~") and key in GROUPS.values():
            raise UsageError(f"{word}: a run needs its {key}; choose another with {key}=...")
        if group in GROUPS.values() and option in FIXED:
            raise UsageError(
                f"{word}: is said by the file of the choice; choose with {group}=..., "
                f"of which cl-bench ls shows all"
            )
        if key == "tuned":
            raise UsageError(
                f"{word}: tuned settings come with the method and the dataset; set single ones, as "
                "in method.lr=0.1"
            )
        if key == BATCH and not re.fullmatch(r"null|[1-9]\d{0,8}", plain.partition("=")[2]):
            raise UsageError(f"{word}: should be a whole number from 1, or null for all at once")
        if "_target_" in word:
            raise UsageError(f"{word}: code is chosen by its group alone; leave _target_ out")
        if re.match(r"hydra\b", key) and not _stays(key, word):
            raise UsageError(
                f"{word}: of Hydra's own settings only {', '.join(HYDRA_KEYS)} can be set"
            )


def _stays(key: str, word: str) -> bool:
    if key == "hydra.searchpath":  # ours, from --config-dir
        return word.startswith("hydra.searchpath=['file://")
    return any(key == known or key.startswith(f"{known}.") for known in HYDRA_KEYS)


def _search(folder: str) -> str:
    """The override that adds a folder of configurations to ours."""
    path = Path(folder).absolute()
    if not path.is_dir():
        raise UsageError(f"--config-dir {folder}: is no directory; name one that holds groups")
    for file in path.rglob("*.yaml"):
        # what is set there counts as much as on the command line, and could execute as much
        if _may_set_hydra(file, path):
            raise UsageError(
                f"--config-dir {folder}: {file.name} sets something of Hydra's own; leave hydra "
                "and _target_ out of its keys"
            )
    escaped = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"hydra.searchpath=['file://{escaped}']"


def _may_set_hydra(file: Path, folder: Path) -> bool:
    """Whether a configuration reaches Hydra's settings, or says itself what to call.

    By its place, its header, a key, or what it takes its defaults from.
    """
    import yaml

    if "hydra" in str(file.relative_to(folder)):
        return True
    try:
        text = file.read_text(encoding="utf-8")
        words = list(_words_that_matter(yaml.safe_load(text), False))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{file}: is not YAML ({type(error).__name__}); correct it") from None
    headers = re.findall("@package.*", text)
    return any(re.search("hydra|_target_", word) for word in [*headers, *words])


def _words_that_matter(values: object, all_of_it: bool) -> Iterator[str]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield str(key)
            yield from _words_that_matter(value, all_of_it or key == "defaults")
    elif isinstance(values, list):
        for value in values:
            yield from _words_that_matter(value, all_of_it)
    elif all_of_it:
        yield str(values)


def _without_config_dir(flags: list[str]) -> list[str]:
    kept, skip = [], False
    for flag in flags:
        if not skip and flag.partition("=")[0] not in ("--config-dir", "-cd"):
            kept.append(flag)
        skip = not skip and flag in ("--config-dir", "-cd")
    return kept


def _is_override(word: str) -> bool:
    return not word.startswith("-") and ("=" in word[1:] or word.startswith("~"))


def _parsed(flags: list[str]) -> Namespace:
    """Hydra's flags; a :class:`UsageError` for what its parser would answer with its usage."""
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        raise UsageError(f"{message} (see cl-bench -h, cl-bench --hydra-help)")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    parser.allow_abbrev = False
    parsed, unknown = parser.parse_known_args(flags)
    for word in [*parsed.overrides, *unknown]:
        if not word.startswith("-"):
            raise UsageError(f"{word or repr(word)}: is neither GROUP=CHOICE nor KEY=VALUE")
        from cl_bench.config.schema import similar

        hint = similar(word, [*parser._option_string_actions, *QUIET, DRY_RUN])
        raise UsageError(f"{word}: no such flag{hint} (see cl-bench -h, cl-bench --hydra-help)")
    for flag, reason in REFUSED.items():
        if getattr(parsed, flag.strip("-").replace("-", "_")) is not None:
            raise UsageError(f"{flag}: is not taken: {reason}")
    return parsed
