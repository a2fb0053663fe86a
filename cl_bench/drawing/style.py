"""One style for all pictures: sizes of a paper's columns, fonts, and what tells lines apart.

A method has one colour, a memory size one dash, other settings a marker. matplotlib (the extra
``plot``) is imported where a figure is made.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from cl_bench.errors import RunError

COLUMN, PAGE = 3.25, 6.75  # inches: a column of a two-column paper, and its whole width
INK, SOFT, RULE = "#1c2430", "#5a6675", "#d9dfe6"
HEAT = "viridis"
# on white and on black; a page has both
COLOURS = (
    ("#1f6fc4", "#6aaef5"), ("#e0700a", "#fb9a3c"), ("#1a8a46", "#4fd07f"),
    ("#c8283c", "#f5727f"), ("#7a3fc0", "#b794f6"), ("#7d4e2a", "#c9986b"),
    ("#d1479f", "#f58fcb"), ("#5b6573", "#a8b3c0"), ("#8a8d0b", "#c9cc3f"),
    ("#0a93a8", "#3fd0e4"), ("#14213d", "#e9edf2"),
)  # fmt: skip
# so that a method has its colour in every report; others get one by their name
PREFERRED = {
    "gem": 0, "er": 1, "ewc": 2, "mer": 3, "mas": 4, "apd": 5, "si": 6, "single": 7, "ewcpp": 8,
    "agem": 9, "independent": 10, "icarl": 5, "multimodal": 10,
}  # fmt: skip
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1.2, 1, 1.2)))
MARKERS = "osD^vPX<>*hp"

_SETTINGS: dict[Any, Any] = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "figure.labelsize": 8,
    "figure.titlesize": 9, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "text.color": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "axes.edgecolor": SOFT,
    "xtick.color": SOFT, "ytick.color": SOFT, "axes.linewidth": 0.6, "lines.linewidth": 1.2,
    "lines.markersize": 3, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 2.5, "ytick.major.size": 2.5, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": RULE, "grid.linewidth": 0.5,
    "axes.axisbelow": True, "legend.frameon": False, "pdf.fonttype": 42, "svg.fonttype": "none",
}  # fmt: skip


class Style(NamedTuple):
    """Places in COLOURS, DASHES and MARKERS; those beyond the last begin again."""

    colour: int = 0
    dash: int = 0
    marker: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """For a line of matplotlib, without its marker."""
        return {"color": COLOURS[self.colour][0], "linestyle": DASHES[self.dash % len(DASHES)]}

    @property
    def shape(self) -> str:
        return MARKERS[self.marker % len(MARKERS)]


def colours(methods: Iterable[str]) -> dict[str, int]:
    """Method -> place in COLOURS; no two share one before all are taken."""
    found: dict[str, int] = {}
    for method in sorted(set(methods), key=lambda name: (name not in PREFERRED, name)):
        wanted = PREFERRED.get(method, zlib.crc32(method.encode()))
        places = [(wanted + step) % len(COLOURS) for step in range(len(COLOURS))]
        found[method] = next((p for p in places if p not in found.values()), places[0])
    return found


def available() -> bool:
    """Whether matplotlib is there."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


@contextmanager
def styled(what: str = "pictures") -> Iterator[type]:
    """Within the block figures have this style; gives the class of a figure.

    A :class:`RunError` says what ``what`` needs if matplotlib is missing.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise RunError(f"{what} needs matplotlib: pip install 'cl-bench[plot]'") from None
    except ValueError as error:  # it reads the environment's MPLBACKEND
        told = f"{what} needs matplotlib, which does not start: {str(error)[:80]}..."
        raise RunError(f"{told}; unset MPLBACKEND, or correct it") from None
    with matplotlib.rc_context(_SETTINGS):
        yield Figure


def save(figure: Any, kind: str) -> bytes:
    """``figure`` as ``png`` or ``pdf``, the same bytes each time."""
    content = io.BytesIO()
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}}[kind]
    figure.savefig(content, format=kind, dpi=300, metadata=metadata)
    return content.getvalue()


def svg(figure: Any, name: str) -> str:
    """``figure`` as an element of a page: colours are the page's variables (``--c0``, ``--ink``),
    an artist's gid ``series-N`` becomes the attribute ``data-series``; ``name`` is the page's only.
    """
    import matplotlib

    content = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(
            content, format="svg", dpi=288, transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )  # fmt: skip
    text = content.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = re.sub(r'id="series-(\d+)"', r'data-series="\1"', text)
    # of the other names those that something refers to stay: they end with a hash
    text = re.sub(r' id="(?![a-zA-Z]*[0-9a-f]{10}")[^"]*"', "", text)
    return re.sub("#[0-9a-f]{6}", lambda match: _VARIABLES.get(match[0], match[0]), text).strip()


_VARIABLES = {
    INK: "var(--ink)", SOFT: "var(--soft)", RULE: "var(--line)",
    **{light: f"var(--c{place})" for place, (light, _) in enumerate(COLOURS)},
}  # fmt: skip
