"""A report on the terminal and as Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from csv import writer as writer_of
from typing import Any, Literal

from cl_bench import metrics as registry
from cl_bench.files.untrusted import table_cell
from cl_bench.report.sections import Section, all_sections, heading, narrow, pivots, sections
from cl_bench.report.table import Report

_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")


def print_terminal(report: Report, console: Any) -> None:
    """Tables of a rich console; one that is wider than the terminal goes on below itself."""
    for part in parts(report, console.width):
        console.print(part)


def print_section(section: Section, console: Any) -> None:
    """One of the tables."""
    for part in _parts(section, console.width):
        console.print(part)


def parts(report: Report, room: float) -> Iterator[Any]:
    """What rich prints of a report, one below the other, in a width of ``room``."""
    from rich.text import Text

    for section in all_sections(report):
        yield from _parts(section, room)
    for note in report.notes:
        yield Text(f"note: {note}")


def _parts(section: Section, room: float) -> Iterator[Any]:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    def width(words: list[str]) -> int:
        return max(map(cell_len, words)) + 2

    yield Text(section.title, style="bold")
    if section.note:
        yield Text(section.note, style="dim")
    for part in narrow(section, width, room):
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for index, name in enumerate(part.head):
            if index < part.labels:
                table.add_column(Text(name), overflow="fold")
            else:
                table.add_column(Text(name), justify="right", no_wrap=True)
        for row in part.rows:
            # Text, not str: a run directory's words are no markup
            table.add_row(*(Text(c.text, style="bold" if c.bold else "") for c in row))
        yield table
        yield Text()


def markdown(report: Report) -> str:
    """Pipe tables; the best in bold."""
    lines = []
    for section in all_sections(report):
        note = f". {in_markdown(section.note)}" if section.note else ""
        lines += [f"**{in_markdown(section.title)}**{note}", ""]
        lines.append(_bar([in_markdown(name) for name in section.head]))
        rule = ["---" if i < section.labels else "---:" for i in range(len(section.head))]
        lines.append(_bar(rule))
        for row in section.rows:
            lines.append(
                _bar([f"**{in_markdown(c.text)}**" if c.bold else in_markdown(c.text) for c in row])
            )
        lines.append("")
    lines += [f"- {in_markdown(note)}" for note in report.notes]
    return "\n".join(lines).rstrip() + "\n"


def _bar(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def in_markdown(text: str) -> str:
    """Characters that Markdown or HTML inside it would take for their own."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]~])", r"\\\1", text) if text != "–" else text


# TeX points: a column of a two-column paper, and its page
ROOM = {"column": 234.0, "page": 487.0}
Width = Literal["column", "page"]


def latex(report: Report, width: Width = "page") -> str:
    r"""Tables for ``\usepackage{booktabs,graphicx}`` that fit a column or the whole page of a
    two-column paper, with captions; notes are comments.

    A table that would be wider goes on in another, with the same first columns. Widths are
    estimated from the words; TeX, which knows them, scales down what is wider all the same.
    """
    parts = ["% needs \\usepackage{booktabs,graphicx}"]
    for section in sections(report):
        for part in narrow(section, _points, ROOM[width]):
            parts += ["", _table(part, width)]
    gaps = [f"not in the tables: {gap.what}: {gap.state}: {gap.reason}" for gap in report.left_out]
    notes = [f"note: {note}" for note in report.notes]
    parts += [f"% {_tex(words)}" for words in (*gaps, *notes)]
    return "\n".join(parts) + "\n"


def _points(words: list[str]) -> float:
    """About the width of a column in footnotesize."""
    return 4.3 * max(map(len, words)) + 5


def _table(section: Section, width: Width) -> str:
    words = ". ".join(filter(None, (section.title, section.note)))
    star = "*" if width == "page" else ""
    columns = "l" * section.labels + "r" * (len(section.head) - section.labels)
    lines = [
        f"\\begin{{table{star}}}",
        "\\centering\\footnotesize\\setlength{\\tabcolsep}{2.5pt}",
        f"\\caption{{{_tex(words)}.}}\\smallskip",  # article leaves no room below a caption
        "\\sbox0{%",
        f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        "\\toprule",
        _ampersands(section.head),
        "\\midrule",
    ]
    for row in section.rows:
        cells = [_tex(cell.text) for cell in row]
        bold = [f"\\textbf{{{t}}}" if c.bold else t for t, c in zip(cells, row, strict=True)]
        lines.append(" & ".join(bold) + r" \\")
    lines += [
        "\\bottomrule",
        "\\end{tabular}}",
        "\\ifdim\\wd0>\\linewidth \\resizebox{\\linewidth}{!}{\\usebox0}\\else \\usebox0\\fi",
        f"\\end{{table{star}}}",
    ]
    return "\n".join(lines)


def _ampersands(head: list[str]) -> str:
    return " & ".join(map(_tex, head)) + r" \\"


TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "–": "--", "°": r"$^\circ$", "×": r"$\times$", "<": r"\textless{}",
    ">": r"\textgreater{}", "[": "{[}", "]": "{]}",
}  # fmt: skip


def _tex(text: str) -> str:
    # a bracket at the start of a row would be read as the argument of the row before
    escaped = "".join(TEX.get(character, character) for character in text)
    return re.sub(r"(?<![\w.-])-(?=\d)", "$-$", escaped)


def csv(report: Report) -> str:
    """One row per group with full precision: for every metric mean, std, se, low and high; then
    for the baseline's differences the same with ``difference_`` before it. With rows and columns
    of one's own the printed tables, each mean and what is around it."""
    if report.look.rows or report.look.columns:
        return _pivots_csv(report)
    frame = report.frame
    if len(report.differences):
        renamed = report.differences.rename(
            columns={c: f"difference_{c}" for c in report.differences if c not in report.labels}
        )
        frame = frame.merge(renamed, on=report.labels, how="left")
    return _looking(report, frame).to_csv(index=False, lineterminator="\n")


def _cell(value: Any) -> Any:
    """A setting that is text and no number stays text in a spreadsheet."""
    return value if not isinstance(value, str) or _NUMBER.fullmatch(value) else table_cell(value)


def _looking(report: Report, frame: Any) -> Any:
    """``frame`` with the report's names, in percent and rounded where that was asked for."""
    digits, names = report.look.digits, report.look.names
    words = {key: [_cell(report.look.name(value)) for value in frame[key]] for key in report.labels}
    frame = frame.assign(**words)
    for metric in {m.key: m for m in (*registry.known().values(), *report.metrics)}.values():
        parts = [f"{metric.key}_{part}" for part in ("mean", "std", "se", "low", "high")]
        keys = [k for part in parts for k in (part, f"difference_{part}") if k in frame]
        if metric.unit == "share":
            frame[keys] *= 100 if digits.percent else 1
            frame[keys] = frame[keys] if digits.digits is None else frame[keys].round(digits.digits)
    return frame.rename(
        columns={key: names.get(key, names.get(heading(key), key)) for key in report.labels}
    )


def _pivots_csv(report: Report) -> str:
    """A line per metric and row of its table."""
    table = io.StringIO()
    writer = writer_of(table, lineterminator="\n")
    for metric, section in pivots(report):
        heads = section.head[section.labels :]
        writer.writerow(
            ["metric", *section.head[: section.labels], *(w for h in heads for w in (h, f"{h} ±"))]
        )
        for row in section.rows:
            numbers = [
                value for cell in row[section.labels :] for value in (cell.sort, cell.around)
            ]
            scale = 100 if report.look.digits.percent and metric.unit == "share" else 1
            shown = ["" if value is None else scale * value for value in numbers]
            writer.writerow([metric.key, *(_cell(c.text) for c in row[: section.labels]), *shown])
    return table.getvalue()


def to_json(report: Report) -> str:
    """Everything, as one strict JSON object."""
    content = {
        "labels": report.labels,
        "interval": report.interval,
        "common_settings": report.common,
        "rows": [
            {**line, "best": sorted(key for row, key in report.best if row == index)}
            for index, line in enumerate(report.frame.to_dict("records"))
        ],
        "baseline": report.baseline,
        "differences": report.differences.to_dict("records"),
        "orders": [
            {**e.settings, "orders": e.orders, **e.metrics, "opd": e.opd} for e in report.orders
        ],
        "across": _across(report),
        "left_out": [vars(gap) for gap in report.left_out],
        "notes": report.notes,
    }
    return json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"


def _across(report: Report) -> dict[str, Any] | None:
    if (found := report.across) is None:
        return None
    return {
        "metric": found.metric.key, "streams": found.streams, "friedman_p": found.friedman,
        "critical_difference": found.critical, "notes": found.notes,
        "rows": [
            {
                **dict(zip(found.keys, s.label, strict=True)), "mean_rank": s.rank,
                "interquartile_mean": list(s.iqm),
                "improvement": None if s.improvement is None else list(s.improvement),
            }
            for s in found.standings
        ],
        "not_told_apart": [
            [standing.label for standing in found.standings[first : last + 1]]
            for first, last in found.alike
        ],
    }  # fmt: skip


def _finite(value: Any) -> Any:
    """NaN, which pandas has for what is not there, becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
