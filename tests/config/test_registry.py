"""One lookup for what the package brings, what a folder holds and what is registered."""

import pytest
import torch

from cl_bench.config import origins, registry
from cl_bench.config.choices import choices, files
from cl_bench.config.compose import compose, config_of
from cl_bench.errors import UsageError
from cl_bench.methods.base import Method, MethodSettings
from cl_bench.run.build import prepare

ANCHOR = """
from cl_bench.methods.base import Method

class Anchor(Method):
    needs = frozenset({"boundaries"})
"""
YAML = """# @package _global_
# stays close | a test
defaults:
  - /common/optimizer@method.optimizer
  - _self_
method: {name: anchor, lr: 0.03}
"""
SMALL = ("dataset=digits_permutations", "dataset.tasks=2", "dataset.samples_per_task=20",
         "device=cpu")  # fmt: skip


@pytest.fixture
def forgotten(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_objects", {})


def test_a_folders_choice_is_found_as_the_packages_own(own):
    own.write("methods/anchor.py", ANCHOR)
    own.write("conf/method/anchor.yaml", YAML)
    with pytest.raises(UsageError, match="no such choice"):
        compose(["method=anchor"])
    own.include()
    assert choices("method")["anchor"] == ["stays close", "a test"]
    assert files("method")["anchor"][0].name == "mylab"
    assert registry.declared("method", "anchor", "needs") == {"boundaries"}
    cls = registry.find("method", "anchor", Method)
    assert cls.__name__ == "Anchor"
    cfg = config_of(["method=anchor", *SMALL])
    assert isinstance(prepare(cfg).method, cls)
    assert list(registry.code(cfg)) == ["mylab"]
    assert registry.code(config_of(["method=single", *SMALL])) == {}  # it has no part in that


def test_what_a_class_inherits_is_read_from_the_folder_too(own):
    own.write("methods/anchor.py", ANCHOR)
    own.write("methods/near.py", "from .anchor import Anchor\n\nclass Near(Anchor):\n    pass\n")
    own.include()
    assert registry.declared("method", "near", "needs") == {"boundaries"}
    assert registry.find("method", "near", Method).needs == {"boundaries"}


def test_changed_code_is_other_code_and_a_test_is_none(own):
    own.write("methods/anchor.py", ANCHOR)
    own.include()
    (origin,) = origins.known()[1:]
    before = origin.sha256()
    own.write("tests/test_anchor.py", "")
    own.write(".venv/lib/x.py", "")
    assert origin.sha256() == before
    own.write("parts.py", "")
    assert origin.sha256() != before


BROKEN = {
    "nothing of this name": ("import nothing_of_this_name\n", r"line 1: ModuleNotFoundError: No m"),
    "syntax": ("x = 1\nclass A(:\n", r"line 2: invalid syntax"),
    "own error": ("def f():\n    return 1 / 0\nf()\n", r"line 2: ZeroDivisionError: division"),
    "leaves": ("import sys\nsys.exit('no')\n", r"line 2: SystemExit: no"),
    "no class": ("x = 1\n", r"line 1: defines no Method class"),
    "two": (ANCHOR + "\nclass B(Anchor):\n    pass\n", r"line 7: must define one Method class, it "
            r"defines 2 \(Anchor, B\); begin the names of the others with _"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_file_that_is_no_choice_is_one_sentence_with_its_line(fault, own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, sentence = BROKEN[fault]
    own.write("methods/anchor.py", code)
    own.include()
    with pytest.raises(UsageError, match=f"^method=anchor: mylab/methods/anchor.py, {sentence}"):
        registry.find("method", "anchor", Method)


def test_a_part_of_a_class_has_an_underscore_first(own):
    own.write("methods/anchor.py", ANCHOR + "\nclass _B(Anchor):\n    pass\n")
    own.include()
    assert registry.find("method", "anchor", Method).__name__ == "Anchor"


def test_a_module_without_yaml_is_told(own):
    own.write("methods/anchor.py", ANCHOR)
    own.include()
    with pytest.raises(
        UsageError, match=r"anchor.py, line 4: has no YAML .*mylab/conf/method/anchor.yaml$"
    ):
        compose(["method=anchor"])


@pytest.mark.parametrize("name", ["methods/gem.py", "conf/method/gem.yaml", "conf/tuned/a_b.yaml"])
def test_a_name_stands_for_one_thing(own, tmp_path, name):
    path = own.write(name, "")
    if "a_b" in name:
        other = tmp_path / "other"
        path.rename(own.folder / "conf" / "tuned" / "c_d.yaml")
        (other / "conf" / "tuned").mkdir(parents=True)
        (other / "conf" / "tuned" / "c_d.yaml").write_text("")
        with pytest.raises(UsageError, match=r"c_d.yaml: .*c_d.yaml has this name"):
            origins.include([own.folder, other])
        return
    with pytest.raises(UsageError, match=f"{name}: .*{name} has this name; choose another"):
        own.include()


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("nowhere", r"--include .*nowhere: is no directory; name one that holds methods/, "),
        (".", r"--include .*: holds none of methods/, .* and conf/; cl-bench new writes such"),
    ],
)
def test_a_folder_that_holds_no_choices(folder, sentence, tmp_path):
    with pytest.raises(UsageError, match=sentence):
        origins.include([tmp_path / folder])


def test_folders_of_the_environment(own, tmp_path, monkeypatch):
    own.write("methods/anchor.py", ANCHOR)
    other = tmp_path / "other"
    (other / "models").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CL_BENCH_INCLUDE", "mylab:other:")
    origins.include("mylab")
    assert [origin.name for origin in origins.known()] == ["cl_bench", "mylab", "other"]
    assert origins.included() == (str(own.folder), str(other))
    monkeypatch.setenv("CL_BENCH_INCLUDE", "gone")
    with pytest.raises(UsageError, match="CL_BENCH_INCLUDE=gone: is no directory"):
        origins.include([])


def test_an_installed_package_offers_choices(own, tmp_path, monkeypatch):
    """As its entry point says; the package is imported under its own name."""
    own.write("__init__.py", "")
    own.write("methods/anchor.py", ANCHOR)
    own.write(
        "methods/near.py", "from mylab.methods.anchor import Anchor as A\n\nclass N(A):\n    x=1"
    )
    own.write("conf/method/anchor.yaml", YAML)
    facts = tmp_path / "lab-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[cl_bench.plugins]\nthelab = mylab\n")
    monkeypatch.syspath_prepend(tmp_path)
    origins.include([])
    assert [origin.name for origin in origins.known()] == ["cl_bench", "thelab"]
    assert registry.find("method", "anchor", Method).__module__ == "mylab.methods.anchor"
    assert registry.declared("method", "near", "needs") == {"boundaries"}
    assert list(registry.code(config_of(["method=anchor", *SMALL]))) == ["thelab"]
    (facts / "entry_points.txt").write_text("[cl_bench.plugins]\nthelab = not_there\n")
    with pytest.raises(UsageError, match=r"plugin thelab \(not_there\) is not there; install"):
        origins.include([])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").write_text("1 / 0\n")
    (facts / "entry_points.txt").write_text("[cl_bench.plugins]\nthelab = broken.methods\n")
    with pytest.raises(UsageError, match=r"plugin thelab .* cannot be used: .*division by zero"):
        origins.include([])


class Pulled(Method):
    """A class that nobody has written to a file of a room."""

    needs = frozenset({"boundaries"})

    class Settings(MethodSettings):
        strength: float = 0.5


class Small(torch.nn.Linear):
    pass


def test_a_class_can_be_passed_where_a_name_can(forgotten):
    registry.register("method", "pulled", Pulled)
    cfg = config_of(["method=pulled", "method.lr=0.1", *SMALL])
    assert cfg.method["strength"] == 0.5
    run = prepare(cfg)
    assert type(run.method) is Pulled
    assert list(registry.code(cfg)) == ["method pulled"]
    assert registry.declared("method", "pulled", "needs") == {"boundaries"}
    with pytest.raises(UsageError, match=r"^method.lr: is missing; give it a value$"):
        config_of(["method=pulled", *SMALL])
    with pytest.raises(
        UsageError, match=r"method.strenth: no such option; did you mean 'strength'"
    ):
        prepare(config_of(["method=pulled", "method.lr=0.1", "method.strenth=1", *SMALL]))
    with pytest.raises(UsageError, match="method=gem: is a choice already"):
        registry.register("method", "gem", Pulled)


def test_arrays_can_be_passed_where_a_dataset_can(forgotten, tiny):
    registry.register("dataset", "mine", lambda: tiny)
    cfg = config_of(["method=single", "dataset=mine", "dataset.tasks=3", "device=cpu"])
    assert prepare(cfg).stream.data is tiny
