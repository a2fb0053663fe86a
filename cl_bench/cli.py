"""The door: commands such as ``ls`` are answered here, everything else is composed by Hydra.

Exit codes: 0 done, 1 a run failed, 2 the command is wrong, 130 interrupted. Nothing heavy is
imported before a run starts.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.errors import RunError, UsageError
from cl_bench.help import print_help
from cl_bench.job import os_sentence
from cl_bench.listing import conf_dir, print_listing
from cl_bench.signals import interrupts_kept, terminated_like_interrupted

if TYPE_CHECKING:
    from omegaconf import DictConfig


# commands in modules of their own, whose main() may return an exit code
COMMANDS = {
    "report": "cl_bench.results.report",
    "predict": "cl_bench.predict",
    "forget": "cl_bench.forget",
    "doctor": "cl_bench.doctor",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        command = arguments[0] if arguments else ""
        own_help = command in ("report", "predict", "forget", "reproduce")
        if ("--help" in arguments or command == "-h") and not own_help:
            print_help()
            return 0
        if command == "ls":
            print_listing(arguments[1:])
            return 0
        if command == "show":
            return _show(arguments[1:])
        if command == "reproduce":
            from cl_bench.reproduce.command import main as reproduce

            return reproduce(arguments[1:], _carry_out)
        if command in COMMANDS:
            return importlib.import_module(COMMANDS[command]).main(arguments[1:]) or 0
        if "--dry-run" in arguments:
            from cl_bench.sweep_plan import print_plan

            print_plan([word for word in arguments if word != "--dry-run"])
            return 0
        return _carry_out(arguments)
    except UsageError as error:
        if "-sc" in arguments or "--shell-completion" in arguments:
            return 2  # a word that is not finished yet is no mistake to talk about
        return _complain(error, 2)
    except RunError as error:
        return _complain(error, 1)
    except OSError as error:
        return _complain(RunError(os_sentence(error)), 1)
    except KeyboardInterrupt:
        print("cl-bench: interrupted", file=sys.stderr)
        return 130


def _carry_out(arguments: list[str]) -> int:
    """The runs of a command line, interrupted by SIGTERM as by Ctrl-C; the exit code."""
    with terminated_like_interrupted(), interrupts_kept():
        return _compose_and_run(_in_order(arguments))


def _in_order(arguments: list[str]) -> list[str]:
    """``-q`` as an override, and ``-m`` first: argparse wants all overrides in one row."""
    words = ["quiet=true" if a in ("-q", "--quiet") else a for a in arguments]
    words = sorted(words, key=lambda word: word not in ("-m", "--multirun"))
    return _per_job(words) if words[:1] in (["-m"], ["--multirun"]) else words


def _per_job(words: list[str]) -> list[str]:
    """In a sweep over methods, say, ``method.strength=1`` becomes a choice of one value.

    Hydra checks a plain value against the groups' defaults before it makes the jobs, where the
    default method need not have that option; the values of a sweep it leaves to the jobs.
    """
    groups = {path.name for path in conf_dir().iterdir() if path.is_dir()} - {"hydra"}
    pairs = [word.partition("=") for word in words]
    if not any(key in groups and "," in value for key, _, value in pairs):
        return words
    plain = re.compile(r"[\w.+-]+|\[[^\[\]]*\]")  # one word, or one list
    return [
        f"{key}=choice({value})"
        if key.partition(".")[0] in groups and "." in key and plain.fullmatch(value)
        else word
        for word, (key, _, value) in zip(words, pairs, strict=True)
    ]


def _complain(error: Exception, code: int) -> int:
    print(f"cl-bench: {error}", file=sys.stderr)
    return code


def _show(arguments: list[str]) -> int:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from cl_bench.show import show

    try:
        show(arguments)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(_explain(error, arguments)) from None
    return 0


def _compose_and_run(arguments: list[str]) -> int:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import RunMode
    from omegaconf.errors import OmegaConfBaseException

    from cl_bench.job import Home, Outcome, carry_out
    from cl_bench.sweep import Sweep, check_launcher, hush_hydra, show

    check_launcher(arguments)
    hush_hydra()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing and exiting
    sys.argv = [sys.argv[0], *arguments]
    home, outcomes = Home.here(), []
    Sweep.current = None

    @hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
    def job(cfg: DictConfig) -> Outcome:
        hydra_config = HydraConfig.get()
        many = hydra_config.mode == RunMode.MULTIRUN
        if cores := hydra_config.launcher.get("cpus_per_task"):
            os.environ["OMP_NUM_THREADS"] = str(cores)  # what a run takes for its share
        outcome = carry_out(cfg, home, Path(hydra_config.sweep.dir).name if many else None)
        outcomes.append(outcome)
        return outcome

    try:
        with interrupts_kept():  # before what follows takes it for a failure
            job()
    except (HydraException, OmegaConfBaseException) as error:
        mistake = UsageError(_explain(error, arguments))
        if not outcomes:
            raise mistake from None
        return Sweep.current.conclude(stopped=mistake)
    except ValueError as error:  # Hydra's too, for some overrides; but it could be a defect
        if outcomes:
            raise
        raise UsageError(_explain(error, arguments)) from None
    except Exception as error:
        # what a launcher raises when it loses its workers is its own; the sweep's end is told
        if Sweep.current is None:
            raise
        return Sweep.current.conclude(stopped=error)
    if Sweep.current is not None:
        return Sweep.current.conclude()
    for outcome in outcomes:
        show(outcome)
    return max((outcome.code for outcome in outcomes), default=0)


def _explain(error: Exception, arguments: list[str]) -> str:
    """One sentence for a composition error, with the choices or a similar key."""
    from cl_bench.config import similar

    if options := getattr(error, "options", None):
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        hint = similar(name, options)
        return f"{group}={name}: no such choice{hint} (choose from {', '.join(options)})"
    text = _first_line(error)
    if match := re.search(r"Could not find 'paper/([^']+)'", text):
        from cl_bench.reproduce.recipe import recipe_names

        return (
            f"+paper={match[1]}: no such recipe{similar(match[1], recipe_names())} "
            "(cl-bench reproduce --list shows all)"
        )
    if "Could not override 'paper'" in text:
        return "paper: a recipe is added to the choices, with a plus sign: +paper=PAPER/RECIPE"
    if match := re.match(r"Could not override '([^']+)'", text):
        key = match[1]
        parent, _, last = key.rpartition(".")
        group = parent.partition(".")[0]
        if any(word.startswith(f"{group}=") and "," in word for word in arguments):
            return f"{key}: not every {group} of this sweep has this option; sweep over those alone"
        known = _known_keys(parent, arguments)
        return f"{key}: no such option{similar(last, known)} (options: {', '.join(known)})"
    return text


def _known_keys(parent: str, arguments: list[str]) -> list[str]:
    """The keys below ``parent`` of the config that the group choices alone compose."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf

    groups = [path.name for path in conf_dir().iterdir() if path.is_dir()]
    chosen = [a for a in arguments if a.partition("=")[0] in groups and "," not in a]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            composed = compose("config", chosen)
    except HydraException:
        return []
    section = OmegaConf.select(composed, parent) if parent else composed
    return [str(key) for key in section] if isinstance(section, DictConfig) else []


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
