"""The door: commands are answered by their modules, everything else is a run or a sweep.

Exit codes: 0 done, 1 a run failed, 2 the command is wrong, 130 interrupted. Nothing heavy is
imported before a run starts.
"""

from __future__ import annotations

import importlib
import io
import sys
from contextlib import suppress

from cl_bench.cli.include import include_from
from cl_bench.errors import RunError, UsageError, os_sentence
from cl_bench.files.untrusted import complain

# commands in modules of their own, whose main() may return an exit code
COMMANDS = {
    "ls": "cl_bench.cli.ls",
    "report": "cl_bench.cli.report",
    "reproduce": "cl_bench.cli.reproduce",
    "tune": "cl_bench.cli.tune",
    "predict": "cl_bench.cli.predict",
    "export": "cl_bench.cli.export",
    "forget": "cl_bench.cli.forget",
    "doctor": "cl_bench.cli.doctor",
    "show": "cl_bench.cli.show",
    "new": "cl_bench.cli.new",
    "check": "cl_bench.cli.check",
}
OWN_HELP = ("report", "reproduce", "tune", "predict", "export", "forget", "new", "check")


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for a terminal without ± and θ
    try:
        code = _answer(arguments)
        sys.stdout.flush()  # a reader that has gone is noticed here, not at the interpreter's end
        return code
    except UsageError as error:
        return _complain(error, 2)
    except RunError as error:
        return _complain(error, 1)
    except BrokenPipeError:  # whoever reads, head say, has had enough
        from cl_bench.run.signals import silence_stdout

        silence_stdout()
        return 0
    except OSError as error:
        return _complain(RunError(os_sentence(error)), 1)
    except KeyboardInterrupt:
        again = not arguments or arguments[0] not in {*COMMANDS} - {"reproduce", "tune"}
        goes_on = "; the same command goes on" if again else ""
        print(f"cl-bench: interrupted{goes_on}", file=sys.stderr)
        return 130


def _answer(arguments: list[str]) -> int:
    """Do what was asked; the exit code."""
    if (arguments := include_from(arguments)) is None:
        return 0
    command, *words = arguments or [""]
    if {"-h", "--help"} & set(arguments) and command not in OWN_HELP:
        from cl_bench.cli.help import print_help

        print_help()
        return 0
    if "--version" in arguments:
        from cl_bench import __version__

        print(f"cl-bench {__version__}")
        return 0
    if command in COMMANDS:
        return importlib.import_module(COMMANDS[command]).main(words) or 0
    if command and "=" not in command and command[0] not in "-~":
        raise UsageError(_no_such_command(command))
    from cl_bench.cli.start import start

    return start(arguments)


def _no_such_command(word: str) -> str:
    from cl_bench.config.schema import similar

    return (
        f"{word}: no such command{similar(word, COMMANDS)} (commands: {', '.join(COMMANDS)}; "
        "a run is GROUP=CHOICE and KEY=VALUE)"
    )


def _complain(error: Exception, code: int) -> int:
    with suppress(BrokenPipeError):
        complain(error)
    return code
