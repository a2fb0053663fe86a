"""A report on the terminal and as Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from cl_bench.files.untrusted import table_cell
from cl_bench.report.sections import Section, all_sections
from cl_bench.report.table import Report

_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")


def print_terminal(report: Report, console: Any) -> None:
    """Tables of a rich console, as wide as they need to be."""
    from rich.table import Table
    from rich.text import Text

    for section in all_sections(report):
        console.print(Text(section.title, style="bold"))
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for index, name in enumerate(section.head):
            if index < section.labels:
                table.add_column(Text(name), overflow="fold")
            else:
                table.add_column(Text(name), justify="right", no_wrap=True)
        for row in section.rows:
            # Text, not str: a run directory's words are no markup
            table.add_row(*(Text(c.text, style="bold" if c.bold else "") for c in row))
        console.print(table)
        console.print()
    for note in report.notes:
        console.print(Text(f"note: {note}"))


def markdown(report: Report) -> str:
    """Pipe tables; the best in bold."""
    lines = []
    for section in all_sections(report):
        lines += [f"**{section.title}**", "", _bar([_md(h) for h in section.head])]
        rule = ["---" if i < section.labels else "---:" for i in range(len(section.head))]
        lines.append(_bar(rule))
        for row in section.rows:
            lines.append(_bar([f"**{_md(c.text)}**" if c.bold else _md(c.text) for c in row]))
        lines.append("")
    lines += [f"- {_md(note)}" for note in report.notes]
    return "\n".join(lines).rstrip() + "\n"


def _bar(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _md(text: str) -> str:
    """Characters that Markdown or HTML inside it would take for their own."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]~])", r"\\\1", text) if text != "–" else text


def latex(report: Report) -> str:
    r"""``tabular`` environments for ``\usepackage{booktabs}``; notes are comments."""
    parts = ["% needs \\usepackage{booktabs}"]
    for section in all_sections(report):
        parts += ["", f"% {section.title}", _tabular(section)]
    parts += [f"% note: {note}" for note in report.notes]
    return "\n".join(parts) + "\n"


def _tabular(section: Section) -> str:
    columns = "l" * section.labels + "r" * (len(section.head) - section.labels)
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", _ampersands(section.head)]
    lines.append("\\midrule")
    for row in section.rows:
        cells = [_tex(cell.text) for cell in row]
        bold = [f"\\textbf{{{t}}}" if c.bold else t for t, c in zip(cells, row, strict=True)]
        lines.append(" & ".join(bold) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


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
    """One row per group with full precision: for every metric mean, std, low and high; then for
    the baseline's differences the same with ``difference_`` before it."""
    frame = report.frame
    if len(report.differences):
        renamed = report.differences.rename(
            columns={c: f"difference_{c}" for c in report.differences if c not in report.labels}
        )
        frame = frame.merge(renamed, on=report.labels, how="left")
    text = {label: frame[label].map(_cell) for label in report.labels}
    return frame.assign(**text).to_csv(index=False, lineterminator="\n")


def _cell(value: Any) -> Any:
    """A setting that is text and no number stays text in a spreadsheet."""
    return value if not isinstance(value, str) or _NUMBER.fullmatch(value) else table_cell(value)


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
            {**e.settings, "orders": e.orders, "aopd": e.aopd, "mopd": e.mopd, "opd": e.opd}
            for e in report.orders
        ],
        "left_out": [vars(gap) for gap in report.left_out],
        "notes": report.notes,
    }
    return json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """NaN, which pandas has for what is not there, becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
