"""Whether the results in a directory are of what a command asks for: its data and configuration.

Other data or another configuration is refused; other code is told, since any change of it makes
one. What is compared is what the results' own files say. Imports no torch: most commands that come
here end here.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path

from cl_bench import datasets
from cl_bench.config import registry
from cl_bench.config.schema import RunConfig, flat, identity_of
from cl_bench.errors import RunError, UsageError, os_sentence
from cl_bench.files.bounds import sha256_of
from cl_bench.files.untrusted import Damaged, clean, read_json, read_yaml
from cl_bench.results.record import RunRecord
from cl_bench.run import environment
from cl_bench.run.state import CHECKPOINT

log = logging.getLogger("cl_bench")


def check_results(directory: Path, cfg: RunConfig) -> None:
    """A :class:`RunError` if the results in ``directory`` are not those of ``cfg``.

    With ``stale=keep`` that is a warning.
    """
    reason = (
        _other_configuration(directory, cfg)
        or _other_data(directory, cfg)
        or _other_file(directory, cfg)
    )
    if reason and cfg.stale != "keep":
        raise RunError(
            f"{directory} {reason}; force=true runs it again, stale=keep shows the old results"
        )
    if reason:
        log.warning("%s %s; its results are shown all the same (stale=keep)", directory, reason)
    elif told := _other_code(directory, cfg):
        log.warning("%s %s", directory, told)


def tidy(record: RunRecord, cfg: RunConfig) -> None:
    """Remove the checkpoint that a process left which was killed just after it had finished."""
    left = record.directory / CHECKPOINT
    if cfg.checkpoint.keep or not left.is_file():
        return
    # somebody else may have the run, or it may not be written to
    with suppress(RunError, OSError), record.writing():
        left.unlink(missing_ok=True)


def _other_configuration(directory: Path, cfg: RunConfig) -> str:
    """What is different; empty if nothing is."""
    try:
        recorded = read_yaml(directory / "config.yaml")
    except Damaged as error:
        return f"does not say what its results are of ({error})"
    # as plain as what was read, lists and all
    asked = json.loads(json.dumps(cfg.identity()))
    here, there = flat(asked), flat(identity_of(recorded))
    different = sorted(key for key in here | there if here.get(key) != there.get(key))
    if not different:
        return ""
    told = ", ".join(f"{key}={clean(there.get(key), 40)}" for key in different[:3])
    more = f" and {len(different) - 3} more" if len(different) > 3 else ""
    return f"holds the results of another configuration ({told}{more})"


def _other_data(directory: Path, cfg: RunConfig) -> str:
    """Nothing is read for a dataset whose content the code itself fixes by its checksum."""
    if datasets.pinned(cfg.dataset.get("source")):
        return ""
    try:
        dataset = read_json(directory / "environment.json").get("dataset")
        recorded = dataset["sha256"] if isinstance(dataset, dict) else None
    except (Damaged, KeyError):
        recorded = None
    if recorded is None:
        return "does not say which data its results are of"
    try:
        found = datasets.load_of(cfg.dataset).sha256
    except (UsageError, RunError) as error:
        return f"has results of data that cannot be read any more ({error})"
    return "" if found == recorded else "has results of other data than is there now"


def _other_file(directory: Path, cfg: RunConfig) -> str:
    """For a file, beside the dataset, that the method had read."""
    try:
        recorded = read_json(directory / "environment.json").get("files")
    except Damaged:
        return ""
    named = flat({"method": cfg.method})
    for key, sha256 in recorded.items() if isinstance(recorded, dict) else ():
        try:
            found = sha256_of(Path(str(named.get(key))).expanduser())
        except OSError as error:
            return f"has results of a file that cannot be read any more ({os_sentence(error)})"
        if found != sha256:
            option = f"{clean(key, 40)}={clean(named[key], 40)}"
            return f"has results of another file {option} than is there now"
    return ""


def _other_code(directory: Path, cfg: RunConfig) -> str:
    """The sentence for results of another version of the package, or of code that was included;
    empty for these ones'."""
    try:
        recorded = read_json(directory / "environment.json")
    except Damaged:
        return ""
    if recorded.get("code_sha256") == environment.code_sha256():
        there, here = recorded.get("included"), registry.code(cfg)
        there = there if isinstance(there, dict) else {}
        if different := [name for name in here | there if here.get(name) != there.get(name)]:
            names = ", ".join(clean(name, 80) for name in different)
            return f"has results of other code of {names}; force=true runs it with this code"
        return ""
    state = recorded.get("code")
    commit = state.get("commit") if isinstance(state, dict) else None
    version = clean(recorded.get("cl_bench", "unknown"), 20)
    at = f", commit {clean(commit, 12)[:8]}" if commit else ""
    return f"has results of other code (cl-bench {version}{at}); force=true runs it with this code"
