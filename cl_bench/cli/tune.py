"""``cl-bench tune``: choose settings on one stream, report on another with fresh seeds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.errors import UsageError
from cl_bench.files.untrusted import complain

if TYPE_CHECKING:
    from cl_bench.report.sections import Section
    from cl_bench.sweep.tune import Choice, Trial, Tuning

TRIALS = 20  # of a search that does not say how many


def parser() -> argparse.ArgumentParser:
    from cl_bench.cli.parser import Parser

    found = Parser(
        prog="cl-bench tune",
        description="Chooses among settings by their runs on one stream, and reports the best on "
        "another, or on the tasks that were not tuned on, with seeds that the choice has not seen.",
        allow_abbrev=False,
    )
    add = found.add_argument
    add("words", nargs="*", metavar="KEY=VALUE",
        help="a run; lists are what is tuned, as in 'method.lr=0.01,0.03,0.1', and of several "
        "methods each is tuned by itself")  # fmt: skip
    add("--report", action="append", default=[], metavar="DATASET",
        help="the stream that is reported; KEY=VALUE for what is set there alone; needless with "
        "dataset.tune_tasks=K, which reports all tasks but the first K")  # fmt: skip
    add("--metric", default="acc", metavar="KEY", help="choose by this (acc)")
    add("--seeds", type=int, default=3, metavar="N", help="seeds that a choice is made by: 1000, "
        "1001, ... (3)")  # fmt: skip
    add("--report-seeds", type=int, default=5, metavar="N", help="seeds that are reported: 0, 1, "
        "... (5)")  # fmt: skip
    add("--sampler", choices=("grid", "optuna"), default="grid",
        help="all combinations, or what Optuna proposes")  # fmt: skip
    add("--trials", type=int, metavar="N", help=f"settings that Optuna proposes ({TRIALS})")
    add("--dry-run", action="store_true", help="run nothing: how many runs, and how long")
    add("-q", "--quiet", action="store_true", help="only the directories of the reported runs")
    return found


def main(arguments: list[str]) -> int:
    options = parser().parse_intermixed_args(arguments)
    found = tunings_of(options)
    quiet = options.quiet or "quiet=true" in options.words
    if options.dry_run:
        for tuning in found:
            print("\n".join(_planned(tuning)))
        return 0
    from cl_bench.run.signals import interrupts_kept, terminated_like_interrupted

    with terminated_like_interrupted(), interrupts_kept():
        choices = [_choose(tuning, quiet) for tuning in found]
        codes = [_report(t, c, quiet) for t, c in zip(found, choices, strict=True)]
    if not quiet:
        _print_end(found, choices)
    return max(codes)


def tunings_of(options: argparse.Namespace) -> list[Tuning]:
    """What the command asks for, checked."""
    if options.trials is not None and options.sampler == "grid":
        raise UsageError(
            "--trials: a grid has all its combinations; leave it out or say --sampler optuna"
        )
    from cl_bench.sweep.tune import Asked, tunings

    words = [*options.words, *(["quiet=true"] if options.quiet else [])]
    trials = (options.trials or TRIALS) if options.sampler == "optuna" else None
    return tunings(
        Asked(words, options.report, options.metric, options.seeds, options.report_seeds, trials)
    )


def _choose(tuning: Tuning, quiet: bool) -> Choice:
    """The first half of one method, and what is chosen."""
    from cl_bench.sweep.launch import outcomes_of, run_sweep

    def carry_out(words: list[str]) -> None:
        if quiet:
            outcomes_of(_swept(words))
            return
        if tuning.asked.trials is not None:
            proposed = [w for w in words if w.lstrip("+").partition("=")[0] in tuning.search.values]
            _say(f"next {' '.join(proposed)}", quiet)
        run_sweep(_swept(words), table=False)

    _say(f"tuning {tuning.method} on {_size(tuning)}", quiet)
    for difference in tuning.differences(tuning.search.samples[0]):
        complain(difference)
    choice = tuning.choose(carry_out)
    tuning.write(choice)
    if not quiet:
        _print_section(_section(tuning, choice))
        print(f"{' '.join(choice.best.words)}\n", flush=True)
    for trial in choice.trials:
        if trial.failed and quiet:
            complain(f"{' '.join(trial.words)}: {_failed(trial)}")
    for note in choice.notes:
        complain(note)
    return choice


def _report(tuning: Tuning, choice: Choice, quiet: bool) -> int:
    """The second half of one method; the exit code."""
    from cl_bench.sweep.launch import run_sweep

    n = tuning.asked.report_seeds
    streams = dict.fromkeys(cfg.dataset["name"] for cfg in tuning.reported_configs(choice))
    where = ", ".join(streams) + (" without these tasks" if tuning.reserved else "")
    _say(f"reporting {tuning.method} on {where}: seeds {n}, from 0", quiet)
    code = run_sweep(_swept(tuning.report_words(choice.best.words)), table=False)
    tuning.write(choice)
    return code


def _swept(words: Sequence[str]) -> list[str]:
    from cl_bench.config.overrides import read_line

    return read_line(["-m", *words]).overrides


def _size(tuning: Tuning) -> str:
    asked = tuning.asked
    settings = asked.trials or len(tuning.search.samples)
    runs = settings * asked.seeds
    return f"{tuning.where}: settings {settings} x seeds {asked.seeds} = runs {runs}"


def _planned(tuning: Tuning) -> list[str]:
    """What ``--dry-run`` says."""
    from cl_bench.config.overrides import read_line
    from cl_bench.run.progress import duration
    from cl_bench.sweep.plan import plan, summary

    lines = [f"tuning {tuning.method} on {_size(tuning)}"]
    choice = tuning.known()
    if tuning.asked.trials is None:
        lines.append(f"  {summary(plan(read_line(['-m', *tuning.tuning_words()])))}")
    lines += [f"  {difference}" for difference in tuning.differences(tuning.search.samples[0])]
    setting = tuning.search.samples[0] if choice is None else choice.best.words
    runs = plan(read_line(["-m", *tuning.report_words(setting)]))
    if choice is not None:
        lines += [f"reporting {' '.join(setting)}", f"  {summary(runs)}"]
        return lines
    known = [run.seconds for run in runs if run.seconds is not None]
    about = f", about {duration(sum(known))} one after the other" if known else ""
    lines.append(f"reporting what is chosen: runs {len(runs)}{about}")
    return lines


def _section(tuning: Tuning, choice: Choice) -> Section:
    from cl_bench.metrics.base import form
    from cl_bench.report.sections import Cell, Section

    keys, metric = list(tuning.search.values), tuning.metric
    rows = []
    for trial in choice.trials:
        best = trial is choice.best
        words = [word.partition("=")[2] for word in trial.words]
        told = _failed(trial) if trial.failed else form(metric, trial.mean, trial.std)
        rows.append([*(Cell(w, best) for w in words), Cell(told, best), Cell("chosen" * best)])
    n = tuning.asked.seeds
    note = f"Mean ± sample standard deviation over {n} seeds" if n > 1 else "One seed"
    title = f"{tuning.method} on {tuning.where}"
    return Section(title, [*keys, metric.heading, ""], rows, len(keys), note)


def _failed(trial: Trial) -> str:
    return f"{len(trial.failed)} of {len(trial.runs)} failed"


def _print_section(section: Section) -> None:
    from cl_bench.report.formats import print_section
    from cl_bench.results.terminal import output

    print_section(section, output(120))


def _print_end(found: Sequence[Tuning], choices: Sequence[Choice]) -> None:
    """What is reported, in one table with what is to be said of it."""
    from cl_bench.report.formats import print_terminal
    from cl_bench.report.table import build
    from cl_bench.results.terminal import output

    metrics = dict.fromkeys(["acc", "bwt", found[0].metric.key, "seconds_total"])
    places = [path for t, c in zip(found, choices, strict=True) for path in t.reported(c)]
    done = [path for path in places if (path / "metrics.json").is_file()]
    if done:
        print_terminal(build(done, metrics=list(metrics)), output(120))
    outputs = found[0].outputs
    print(f"\nall tables: cl-bench report {_quoted(outputs)}")
    print(f"runs that the choice was made by: cl-bench report {_quoted(found[0].tuned_in)}")
    for tuning in found:
        print(tuning.record)


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _say(words: str, quiet: bool) -> None:
    if not quiet:
        print(f"cl-bench: {words}", file=sys.stderr, flush=True)
