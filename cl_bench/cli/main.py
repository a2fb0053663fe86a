"""The door: commands such as ``ls`` are answered here, everything else is composed by Hydra.

Exit codes: 0 done, 1 a run failed, 2 the command is wrong, 130 interrupted. Nothing heavy is
imported before a run starts.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.cli.help import print_help
from cl_bench.cli.ls import print_listing
from cl_bench.config.choices import conf_dir
from cl_bench.config.compose import explain, hush_hydra
from cl_bench.config.overrides import in_order
from cl_bench.errors import RunError, UsageError
from cl_bench.run.job import os_sentence
from cl_bench.run.signals import interrupts_kept, terminated_like_interrupted

if TYPE_CHECKING:
    from omegaconf import DictConfig


# commands in modules of their own, whose main() may return an exit code
COMMANDS = {
    "report": "cl_bench.cli.report",
    "predict": "cl_bench.cli.predict",
    "forget": "cl_bench.cli.forget",
    "doctor": "cl_bench.cli.doctor",
    "show": "cl_bench.cli.show",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        command = arguments[0] if arguments else ""
        own_help = command in ("report", "predict", "forget", "reproduce")
        if {"-h", "--help"} & set(arguments) and not own_help:
            print_help()
            return 0
        if command == "ls":
            print_listing(arguments[1:])
            return 0
        if command == "reproduce":
            from cl_bench.cli.reproduce import main as reproduce

            return reproduce(arguments[1:], _carry_out)
        if command in COMMANDS:
            return importlib.import_module(COMMANDS[command]).main(arguments[1:]) or 0
        if command and "=" not in command and command[0] not in "-~":
            raise UsageError(_no_such_command(command))
        if "--dry-run" in arguments:
            from cl_bench.sweep.plan import print_plan

            print_plan(in_order([word for word in arguments if word != "--dry-run"]))
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
        return _compose_and_run(in_order(arguments))


def _no_such_command(word: str) -> str:
    from cl_bench.config.schema import similar

    known = [*COMMANDS, "ls", "reproduce"]
    return (
        f"{word}: no such command{similar(word, known)} (commands: {', '.join(known)}; "
        "a run is GROUP=CHOICE and KEY=VALUE)"
    )


def _complain(error: Exception, code: int) -> int:
    print(f"cl-bench: {error}", file=sys.stderr)
    return code


def _compose_and_run(arguments: list[str]) -> int:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import RunMode
    from omegaconf.errors import OmegaConfBaseException

    from cl_bench.run.job import Home, Outcome, carry_out
    from cl_bench.sweep.outcomes import Sweep, check_launcher, show

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
        mistake = UsageError(explain(error, arguments))
        if not outcomes:
            raise mistake from None
        return Sweep.current.conclude(stopped=mistake)
    except ValueError as error:  # Hydra's too, for some overrides; but it could be a defect
        if outcomes:
            raise
        raise UsageError(explain(error, arguments)) from None
    except Exception as error:
        # what a launcher raises when it loses its workers is its own; the sweep's end is told
        if Sweep.current is None:
            raise
        return Sweep.current.conclude(stopped=error)
    if Sweep.current is not None:
        return Sweep.current.conclude()
    return max((show(outcome).code for outcome in outcomes), default=0)
