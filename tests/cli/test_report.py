import csv
import html
import io
import json
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from synthetic_runs import write_run

HOSTILE = "<script>alert(1)</script>\"&'${oc.env:HOME}|$x_1$\\input{a}[red]\x1b[31m"


@pytest.fixture
def runs(tmp_path):
    for seed in range(3):
        for size, acc in ((200, 0.6), (1280, 0.7)):
            write_run(tmp_path / "outputs", "gem", seed, [acc + seed / 100] * 3, memory=size)
        write_run(tmp_path / "outputs", "single", seed, [0.4] * 3)
    write_run(tmp_path / "outputs", "er", 0, state="failed", message="no data")
    return tmp_path


@pytest.fixture
def hostile(tmp_path):
    """Runs whose every word tries to be something else."""
    for seed in range(2):
        for size in (10, 20):
            directory = write_run(
                tmp_path / "outputs", HOSTILE, seed, memory=size,
                folder=f"javascript:alert({size}) '\"><img src=x> {seed}",
            )  # fmt: skip
            facts = json.loads((directory / "environment.json").read_text())
            facts |= {"cpu": HOSTILE, "platform": HOSTILE, "cl_bench": HOSTILE}
            (directory / "environment.json").write_text(json.dumps(facts))
    write_run(tmp_path / "outputs", HOSTILE, 2, state="failed", message=HOSTILE)
    return tmp_path


def test_terminal(cli, runs):
    done = cli("report", "outputs", "--baseline", "method=single")
    assert done.returncode == 0, done.stderr
    assert re.search(r"gem +1280 +3 +0\.7100 ± 0\.0100", done.stdout)
    assert "Difference from method=single" in done.stdout
    assert "+0.3100" in done.stdout
    assert "no data" in done.stdout
    assert "\x1b" not in done.stdout


def test_outputs_is_the_default_place(inline, runs):
    code, out, _ = inline("report")
    assert code == 0
    assert "gem" in out


def test_markdown_bolds_the_best(inline, runs):
    _, out, _ = inline("report", "outputs", "--format", "markdown")
    assert "| gem | 1280 | 3 | **0.7100 ± 0.0100** | \\[0.6852, 0.7348\\] |" in out
    tables = [line for line in out.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in tables[:5]}) == 1


def test_csv_keeps_every_digit(inline, runs):
    _, out, _ = inline("report", "--format", "csv", "--baseline", "method=single")
    lines = list(csv.DictReader(io.StringIO(out)))
    assert [line["method.name"] for line in lines] == ["gem", "gem", "single"]
    assert float(lines[0]["acc_mean"]) == pytest.approx(0.61, abs=1e-12)
    assert float(lines[0]["difference_acc_mean"]) == pytest.approx(0.21, abs=1e-12)
    assert lines[2]["difference_acc_mean"] == ""


def test_json_is_strict_and_complete(inline, runs):
    _, out, _ = inline("report", "--format", "json", "--baseline", "method=single")
    found = json.loads(out, parse_constant=pytest.fail)
    assert [row["n"] for row in found["rows"]] == [3, 3, 3]
    assert "acc" in found["rows"][1]["best"]
    assert found["common_settings"]["dataset.name"] == "digits"
    assert found["left_out"][0]["reason"] == "no data"
    assert found["differences"][0]["acc_p"] < 0.01


def test_latex_is_booktabs_and_escaped(inline, hostile):
    _, out, _ = inline("report", "--format", "latex")
    assert out.count("\\toprule") == out.count("\\bottomrule") == out.count("\\begin{tabular}")
    assert "\\input{" not in out
    body = [line for line in out.splitlines() if not line.startswith("%")]
    assert "\\$x\\_1\\$\\textbackslash{}input\\{a\\}" in "\n".join(body)
    assert not re.search(r"(?<!\\)[#%&_](?!\s|\\)", re.sub(r" & | \\\\", "", "".join(body)))


def test_hostile_words_stay_words(inline, hostile):
    for kind in ("terminal", "markdown", "json", "html"):
        code, out, _ = inline("report", "--format", kind)
        assert code == 0
        assert "\x1b" not in out
        if kind in ("markdown", "html"):
            assert "<script>alert" not in out
            assert "<img" not in out
        if kind == "terminal":
            assert "[red]" in out  # shown, not taken for a colour


class Page(HTMLParser):
    """The tags, addresses and words of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.sources, self.words = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self.links += [values["href"]] if "href" in values else []
        self.sources += [values[key] for key in ("src", "srcset", "data") if key in values]
        assert not any(key.startswith("on") for key in values)

    def handle_data(self, data):
        self.words.append(data)


def test_html_stands_alone_and_escapes(inline, hostile):
    page = hostile / "report.html"
    code, _, error = inline("report", "outputs", "--out", str(page))
    assert code == 0, error
    text = page.read_text()
    found = Page(text)
    assert found.tags.count("script") == 1
    assert found.sources == []
    assert "http:" not in text
    assert "https:" not in text
    assert all(link.startswith("./outputs/") for link in found.links)
    assert sum("javascript%3Aalert" in link for link in found.links) == 4
    assert "alert(1)" in "".join(found.words)


def test_html_has_every_part(inline, runs):
    code, out, _ = inline("report", "--format", "html", "--baseline", "method=single")
    assert code == 0
    words = "".join(Page(out).words)
    for part in ("ACC by memory size", "Accuracy over time", "Accuracy matrices", "Environments",
                 "Difference from method=single", "Not in the tables", "What differs",
                 "Every run"):  # fmt: skip
        assert part in words
    assert out.count('<figure class="matrix"') == 3
    assert out.count('<figure class="chart"') == 3  # over time, per task, by memory


def test_figures_for_a_paper(inline, runs):
    code, _, error = inline("report", "--format", "json", "--figures", "figures")
    assert code == 0, error
    found = {path.name: path.read_bytes()[:4] for path in (runs / "figures").iterdir()}
    assert found == {
        **{f"{name}.png": b"\x89PNG" for name in ("curves", "tasks", "memory", "matrices")},
        **{f"{name}.pdf": b"%PDF" for name in ("curves", "tasks", "memory", "matrices")},
    }


def test_the_suffix_chooses_the_format(inline, runs):
    for name, start in (("t.md", "**"), ("t.tex", "%"), ("t.json", "{"), ("t.txt", "Accuracy")):
        assert inline("report", "--out", name)[0] == 0
        assert (runs / name).read_text().startswith(start)


LOOK = ("--metrics", "acc", "bwt", "--percent", "--digits", "1", "--names", "gem=GEM", "size=M")
PIVOT = ("--rows", "method", "--columns", "memory.size")


def test_a_table_as_papers_print_it(inline, runs):
    code, out, error = inline("report", *LOOK, *PIVOT, "--format", "markdown", "--sort", "acc")
    assert code == 0, error
    tables = [line for line in out.splitlines() if line.startswith("|")]
    assert tables[0] == "| method | no memory | size=200 | size=1280 |"
    assert tables[2:4] == [
        "| GEM | – | 61.0 ± 1.0 | 71.0 ± 1.0 |",
        "| single | 40.0 ± 0.0 | – | – |",
    ]
    assert "**ACC in %**. Mean accuracy after the last task: mean ± sample standard" in out


def test_every_format_has_the_same_look(inline, runs):
    for kind in ("terminal", "latex", "html"):
        _, out, _ = inline("report", *LOOK, "--format", kind)
        assert "GEM" in out
        assert re.search(r"71\.0 (±|\$\\pm\$) 1\.0", out)
        assert "peak RAM" not in out
    _, out, _ = inline("report", *LOOK, "--format", "csv")
    (first, *_) = csv.DictReader(io.StringIO(out))
    assert (first["method.name"], first["acc_mean"], first["acc_std"]) == ("GEM", "61.0", "1.0")
    _, out, _ = inline("report", *LOOK, *PIVOT, "--format", "csv")
    (first, *_) = csv.DictReader(io.StringIO(out))
    assert (first["metric"], first["method"]) == ("acc", "GEM")
    assert float(first["size=1280"]) == pytest.approx(71)
    assert float(first["size=1280 ±"]) == pytest.approx(1)


def test_what_is_around_a_mean_is_said(inline, runs):
    half = 4.3026527 * 0.01 / 3**0.5  # t(0.975, 2)
    for kind, value, words in (
        ("std", 0.01, "sample standard deviation"),
        ("se", 0.01 / 3**0.5, "standard error"),
        ("ci", half, "half the width of the 95% Student-t interval"),
    ):
        _, out, _ = inline("report", "--spread", kind, "--format", "markdown")
        assert f"0.7100 ± {value:.4f}" in out
        assert words in out


def test_a_terminal_is_filled_and_not_crossed(inline, runs, monkeypatch):
    from rich.console import Console

    from cl_bench.report.formats import print_terminal
    from cl_bench.report.table import build

    out = io.StringIO()
    report = build([runs / "outputs"], baseline="method=single")
    print_terminal(report, Console(file=out, width=80, highlight=False))
    assert max(map(len, out.getvalue().splitlines())) <= 80
    for metric in report.shown("accuracy", "cost"):
        assert metric.heading in out.getvalue()
    assert "…" not in out.getvalue()


def test_methods_are_compared_across_datasets(inline, tmp_path):
    for dataset in ("one", "two", "three"):
        for method, acc in (("er", 0.9), ("gem", 0.8), ("single", 0.5)):
            for seed in range(2):
                final = [acc + seed / 50] * 3
                write_run(tmp_path / "outputs", method, seed, final, dataset__name=dataset)
    words = ("report", "--across", "dataset", "--baseline", "method=single")
    code, out, error = inline(*words, "--format", "markdown", "--figures", "figures")
    assert code == 0, error
    assert "rows that share a letter are not told apart" in out
    assert "| er | 1.00 | a | 0.9100 | \\[0.9000, 0.9200\\] | 1.00 | \\[1.00, 1.00\\] |" in out
    assert (tmp_path / "figures" / "ranks.pdf").read_bytes().startswith(b"%PDF")
    found = json.loads(inline(*words, "--format", "json")[1])["across"]
    assert [row["mean_rank"] for row in found["rows"]] == [1, 2, 3]


DOCUMENT = r"""
\documentclass[10pt,twocolumn]{article}
\usepackage[margin=0.75in,columnsep=0.25in]{geometry}
\usepackage{booktabs,graphicx}
\begin{document}
\input{column}\input{page}\input{pivot}
\end{document}
"""


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX compiler")
def test_latex_compiles_without_an_overfull_box(inline, runs):
    for name, options in (
        ("column", ("--baseline", "method=single", "--width", "column")),
        ("page", ("--baseline", "method=single")),
        ("pivot", (*LOOK, *PIVOT, "--width", "column")),
    ):
        assert inline("report", *options, "--out", f"{name}.tex")[0] == 0
    (runs / "document.tex").write_text(DOCUMENT)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document"],
        cwd=runs, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "Output written" in done.stdout


def test_what_a_sweep_was_asked_for_and_has_not_begun_is_told(inline, runs):
    from cl_bench.config.compose import config_of
    from cl_bench.results.asked import asked_file, write_asked

    jobs = [[f"method={method}", "dataset=digits_permutations"] for method in ("er", "ewc")]
    (runs / "outputs" / config_of(jobs[0]).directory_name()).mkdir()
    write_asked(asked_file(runs / "outputs" / ".sweeps", ["x"]), [*jobs, ["outputs=$HOME", "a=1"]])
    report = json.loads(inline("report", "--format", "json")[1])
    missing = [gap["what"] for gap in report["left_out"] if gap["state"] == "missing"]
    assert missing == ["method=ewc dataset=digits_permutations"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["report", "nowhere"], 1, "not a directory"),
        (["report", "--format", "word"], 2, "invalid choice"),
        (["report", "--out", "no/such/t.md"], 2, "there is no directory"),
        (["report", "--by", "speed"], 2, "no such setting"),
        (["report", "--metrics", "ac"], 2, "did you mean 'acc'?"),
        (["report", "--names", "gem"], 2, "write WORD=NAME"),
        (["report", "--rows", "method"], 2, "they differ in memory.size"),
        (["report", "--columns", "sped"], 2, "no such setting"),
    ],
)
def test_a_mistake_is_one_line(inline, runs, arguments, code, sentence):
    found, _, error = inline(*arguments)
    assert found == code
    assert sentence in error
    assert error.count("\n") == 1


def test_ls_runs_tells_state_progress_and_accuracy(inline, runs):
    late = write_run(runs / "outputs", "mer", 0, state="running", folder="mer-late")
    (late / "run.log").write_text("task 1/3 learned in 2 s\ntask 2/3 learned in 2 s\n")
    (runs / "outputs" / "broken").mkdir()
    (runs / "outputs" / "broken" / "status.json").write_text("{")
    code, out, _ = inline("ls", "runs")
    assert code == 0
    assert re.search(r"running +– .*mer-late +task 2/3", out)
    assert re.search(r"finished +0\.4000 .*single-seed2", out)
    assert re.search(r"failed .*no data", out)
    assert re.search(r"unknown .*broken +status\.json", out)
    assert "12 runs: 9 finished" in out


def test_ls_runs_below_nothing(inline, tmp_path):
    (tmp_path / "outputs").mkdir()
    assert "0 runs" in inline("ls", "runs")[1]
    code, _, error = inline("ls", "runs", "nowhere")
    assert code == 1
    assert "not a directory" in error


def test_the_page_tells_how_every_number_is_made(inline, tmp_path):
    words = ("method=single", "dataset=digits_permutations", "dataset.tasks=2")
    short = ("dataset.samples_per_task=40", "device.threads=1", "plots=false", "-q")
    assert inline("-m", *words, *short, "seed=0,1")[0] == 0
    write_run(tmp_path / "outputs", "gem", 2, state="diverged", message="not finite")
    _, out, _ = inline("report", "--format", "html")
    commands = re.findall(r'data-command="([^"]*)"', out)
    told = [set(shlex.split(html.unescape(command))) for command in commands]
    asked = {"cl-bench", *words, "dataset.samples_per_task=40"}
    assert asked | {"-m", "seed=range(2)"} in told  # the row
    assert asked | {"seed=1"} in told  # and one run of it
    assert re.search(r'class="run diverged"><a href="[^"]*" title="[^"]*not finite', out)


def test_a_matrix_tells_its_values(inline, runs):
    _, out, _ = inline("report", "--format", "html")
    tag = re.search(r'<figure class="matrix" data-row="1"[^>]*>', out)[0]
    values = json.loads(html.unescape(re.search(r'data-values="([^"]*)"', tag)[1]))
    assert values[0] == [10.0] * 3
    assert values[-1] == pytest.approx([71.0] * 3)
    assert json.loads(html.unescape(re.search(r'data-numbers="([^"]*)"', tag)[1])) == [1, 2, 3]


def test_a_page_without_matplotlib_says_so(inline, runs, monkeypatch):
    monkeypatch.setattr("cl_bench.drawing.style.available", lambda: False)
    code, out, _ = inline("report", "--format", "html")
    assert code == 0
    assert "No pictures: pip install" in out
    assert "0.7100" in out
    assert "<svg" not in out


def test_what_can_be_filtered_is_offered(inline, runs):
    _, out, _ = inline("report", "--format", "html")
    assert re.findall(r"<option>([^<]*)", out) == ["gem", "single"]
    assert 'data-filter="dataset"' not in out  # there is one


def test_an_ending_that_no_format_has(inline, tmp_path):
    code, _, error = inline("report", "--out", "x.pdf")
    assert code == 2
    assert "--out x.pdf: no format has this ending; choose .txt, .md" in error
    assert not (tmp_path / "x.pdf").exists()
