import re

import pytest

from cl_bench.config.choices import choices
from cl_bench.drawing.style import COLOURS, PREFERRED, Style, colours, save, styled, svg
from cl_bench.errors import RunError


def test_a_method_has_one_colour_whatever_it_is_shown_with():
    alone = {name: colours([name])[name] for name in ("gem", "er", "ewc", "single", "mer")}
    assert colours(["single", "mer", "gem", "ewc", "er", "gem"]) == alone
    assert colours(["gem", "mine"])["gem"] == alone["gem"]


def test_colours_are_shared_only_when_all_are_taken():
    names = [f"method {i}" for i in range(len(COLOURS))]
    assert len(set(colours([*names]).values())) == len(COLOURS)
    assert set(colours([*names, "one more"]).values()) == set(range(len(COLOURS)))


def test_names_with_a_preference_are_choices():
    assert set(PREFERRED) <= set(choices("method"))
    assert max(PREFERRED.values()) < len(COLOURS)


def test_a_style_begins_again_after_its_last_dash_and_marker():
    assert Style(0, 4, 0).settings == Style(0, 0, 0).settings
    assert Style(0, 0, 12).shape == Style().shape


@pytest.fixture
def figure():
    with styled() as new:
        found = new(figsize=(2, 1))
        axes = found.subplots()
        axes.plot([0, 1], color=COLOURS[3][0], gid="series-7")
        axes.set_title("$x_1$ <b>&")
        yield found


def test_svg_follows_the_page(figure):
    text = svg(figure, "one")
    assert text.startswith("<svg")
    assert 'data-series="7"' in text
    assert "var(--c3)" in text
    assert "var(--ink)" in text
    assert "http" not in text
    assert "$x_1$ &lt;b&gt;&amp;" in text  # no formula, no tag
    assert not re.search(r"<svg[^>]* (width|height)=", text)


def test_svg_of_one_page_share_no_name(figure):
    names = [set(re.findall(r'\bid="([^"]+)"', svg(figure, name))) for name in ("a", "b")]
    assert names[0]
    assert not names[0] & names[1]


def test_files_are_the_same_each_time(figure):
    for kind in ("png", "pdf"):
        assert save(figure, kind) == save(figure, kind)


def test_a_missing_matplotlib_is_one_sentence(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with (
        pytest.raises(RunError, match=r"--figures needs matplotlib: pip install"),
        styled("--figures"),
    ):
        pass
