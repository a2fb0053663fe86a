"""``cl-bench report``: from run directories to a table for a terminal, a paper or a browser."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.cli.parser import Parser
from cl_bench.errors import RunError, UsageError
from cl_bench.files.atomic import write_atomic

if TYPE_CHECKING:
    from cl_bench.report.at import At
    from cl_bench.report.formats import Width
    from cl_bench.report.table import Look, Report

FORMATS = ("terminal", "markdown", "csv", "latex", "json", "html")
SUFFIXES = {".md": "markdown", ".csv": "csv", ".tex": "latex", ".json": "json", ".html": "html"}


def parser() -> argparse.ArgumentParser:
    found = Parser(
        prog="cl-bench report",
        description="Tables over the finished runs below some directories: what varies makes the "
        "rows, seeds are averaged.",
        allow_abbrev=False,
    )
    add = found.add_argument
    add("places", nargs="*", type=Path, metavar="DIR", help="where the runs are (outputs)")
    add("--by", nargs="+", default=[], metavar="KEY", help="rows by these settings alone")
    add("--baseline", metavar="KEY=VALUE", help="paired differences from it, e.g. method=single")
    add("--metrics", nargs="+", default=[], metavar="KEY", help="these alone, such as acc aia")
    add("--sort", metavar="KEY", help="rows by a metric, the best first, or by a setting")
    add("--rows", nargs="+", default=[], metavar="KEY", help="a table per metric with these rows")
    add("--columns", nargs="+", default=[], metavar="KEY", help="and with these columns")
    add("--percent", action="store_true", help="accuracies in percent")
    add("--digits", type=int, choices=range(8), metavar="N", help="after the point, of accuracies")
    add("--names", nargs="+", default=[], metavar="WORD=NAME", help="what words are printed as")
    add(
        "--spread",
        choices=("std", "se", "ci"),
        default="std",
        help="what ± is: standard deviation, standard error or 95%% interval",
    )
    add("--at", metavar="COST=N", help="at equal cost: backward_passes=N, seconds=N")
    add("--across", metavar="KEY", help="rows compared over all streams too: dataset")
    add("--test", choices=("t", "wilcoxon"), default="t", help="paired test of p and of bold")
    add("--format", choices=FORMATS, help="default: from the suffix of --out, else terminal")
    add("--out", type=Path, metavar="FILE", help="write there instead of on the terminal")
    add("--interval", choices=("t", "bootstrap"), default="t", help="kind of 95%% interval")
    add("--width", choices=("column", "page"), default="page", help="of LaTeX tables")
    add("--figures", type=Path, metavar="DIR", help="figures as PNG and PDF (needs matplotlib)")
    add("--publish", type=Path, metavar="DIR", help="a page, records and cards to be shared")
    add("--merge", nargs="+", type=Path, default=[], metavar="DIR", help="what others published")
    return found


def main(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    kind = options.format or _kind(options.out)
    if options.out is not None and not options.out.parent.is_dir():
        raise UsageError(f"--out {options.out}: there is no directory {options.out.parent}")
    # pandas and SciPy take a second to import: not before the command is known to be right
    places = options.places or ([] if options.merge else [Path("outputs")])
    report = _read(options, places, options.merge)
    if options.publish is not None and options.at is not None:
        raise UsageError("--at is of tables, and --publish of whole runs; leave one of them out")
    if options.publish is not None:
        _publish(report, options)
        return
    if options.figures is not None:
        from cl_bench.report.figures import write_figures

        for path in write_figures(report, options.figures):
            print(path, file=sys.stderr)
    if kind == "terminal":
        _terminal(report, options.out)
        return
    place = options.out.parent if options.out else Path()
    content = _content(report, kind, place, options.width)
    if options.out is None:
        sys.stdout.write(content)
        return
    try:
        write_atomic(options.out, content)
    except OSError as error:
        raise RunError(f"cannot write {options.out}: {error.strerror}") from None


def _read(options: argparse.Namespace, places: list[Path], merged: list[Path]) -> Report:
    from cl_bench.report.table import build

    return build(
        places, options.by, options.baseline, options.interval, metrics=options.metrics,
        sort=options.sort, test=options.test, look=_look(options), over=options.across,
        merged=merged, at=_at(options),
    )  # fmt: skip


def _at(options: argparse.Namespace) -> At | None:
    from cl_bench.report.at import At

    return None if options.at is None else At.parsed(options.at)


def _publish(report: Report, options: argparse.Namespace) -> None:
    from cl_bench.report.publish import publish

    place = options.publish
    try:
        for path in publish(report.runs, place, lambda: _read(options, [], [place])):
            print(path)
    except OSError as error:
        raise RunError(f"cannot publish in {place}: {error.strerror}") from None


def _look(options: argparse.Namespace) -> Look:
    from cl_bench.metrics.base import Digits
    from cl_bench.report.table import Look

    names = {}
    for word in options.names:
        old, equals, new = word.partition("=")
        if not (old and equals):
            raise UsageError(f"--names {word}: write WORD=NAME, such as gem=GEM")
        names[old] = new
    digits = Digits(options.percent, options.digits)
    return Look(digits, options.spread, names, tuple(options.rows), tuple(options.columns))


def _kind(out: Path | None) -> str:
    """The format that the name of the file asks for."""
    if out is None or out.suffix in ("", ".txt"):
        return "terminal"
    if out.suffix not in SUFFIXES:
        raise UsageError(
            f"--out {out}: no format has this ending; choose .txt, {', '.join(SUFFIXES)}, or say "
            "--format"
        )
    return SUFFIXES[out.suffix]


def _terminal(report: Report, out: Path | None) -> None:
    from rich.console import Console

    from cl_bench.report.formats import print_terminal
    from cl_bench.results.terminal import output

    if out is None:
        print_terminal(report, output(200))
        return
    console = Console(highlight=False, width=200, record=True, file=io.StringIO())
    print_terminal(report, console)
    write_atomic(out, console.export_text())


def _content(report: Report, kind: str, place: Path, width: Width) -> str:
    from cl_bench.report import formats

    if kind == "html":
        from cl_bench.report.html import html

        return html(report, place)
    if kind == "latex":
        return formats.latex(report, width)
    writers = {
        "markdown": formats.markdown,
        "csv": formats.csv,
        "json": formats.to_json,
    }
    return writers[kind](report)
