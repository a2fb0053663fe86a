"""Own data to predictions: any floats, text for classes and tasks, folders of pictures."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
import torch
from conftest import environment
from PIL import Image

from cl_bench import datasets
from cl_bench.datasets import pictures
from cl_bench.errors import RunError, UsageError
from cl_bench.results.record import read_accuracy

RNG = np.random.default_rng(0)
CLASSES = ("ant", "bee", "cow", "dog")
QUIET = ("plots=false", "device.threads=1", "model.hidden=[8]", "-q")


@pytest.fixture
def table(tmp_path):
    """Features of very different scales with text labels and text tasks, two classes each."""
    names = np.array(CLASSES)[np.arange(200) % 4]
    centres = {name: RNG.normal(size=6) for name in CLASSES}
    x = np.stack([centres[name] + 0.1 * RNG.normal(size=6) for name in names])
    x = x * [1e-4, 1, 10, 1e3, 1, 1] + [5, 0, 0, -1e4, 0, 0]
    x[:, 5] = 7.0  # the same in every sample
    tasks = np.where(np.isin(names, ("cow", "dog")), "farm", "bugs")
    first = tasks == "farm"  # this task comes first in the file, though not by its name
    order = np.concatenate([first.nonzero()[0], (~first).nonzero()[0]])
    x, names, tasks = x[order], names[order], tasks[order]
    test = np.arange(200) % 4 >= 2
    np.savez(
        tmp_path / "own.npz",
        x_train=x[~test], y_train=names[~test], t_train=tasks[~test],
        x_test=x[test], y_test=names[test], t_test=tasks[test],
    )  # fmt: skip
    return x[test], names[test], tasks[test]


def ran(inline, tmp_path, *more):
    code, out, error = inline("method=independent", "method.width=whole", *QUIET, *more)
    assert code == 0, error
    return tmp_path / out.splitlines()[-1]


def test_standardised_features_with_text_labels_to_predictions(inline, tmp_path, table):
    x, names, tasks = table
    run = ran(
        inline, tmp_path, "dataset=npz", "dataset.path=own.npz", "dataset.normalize=standardize",
        "dataset.batch_size=2", "dataset.epochs=5", "method.lr=0.1", "dataset.statistics=training",
    )  # fmt: skip
    titles, matrix = read_accuracy(run)
    assert titles == ["farm", "bugs"]
    assert matrix[-1].mean() > 0.9
    np.savez(tmp_path / "ask.npz", x=x, y=names, t=tasks)
    code, out, error = inline("predict", str(run), "ask.npz")
    assert code == 0, error
    assert f"accuracy {matrix[-1, 0]:.4f} on {(tasks == 'farm').sum()} samples of task 1" in out
    assert f"accuracy {matrix[-1, 1]:.4f} on {(tasks == 'bugs').sum()} samples of task 2" in out
    found = np.load("predictions.npz")
    assert (found["name"] == names).mean() == pytest.approx(matrix[-1].mean())
    assert np.array_equal(found["task"], np.where(tasks == "farm", 1, 2))
    assert np.array_equal(np.array(CLASSES)[found["y"]], found["name"])
    # in another order each row still gets the answer of its own task
    shuffled = RNG.permutation(len(x))
    np.savez(tmp_path / "mixed.npz", x=x[shuffled], t=tasks[shuffled])
    assert inline("predict", str(run), "mixed.npz", "--out", "mixed-out.npz")[0] == 0
    assert np.array_equal(np.load("mixed-out.npz")["name"], found["name"][shuffled])


def test_class_names_stand_in_the_tables(inline, tmp_path, table):
    run = ran(inline, tmp_path, "dataset=npz", "dataset.path=own.npz", "dataset.split=classes",
              "dataset.tasks=2")  # fmt: skip
    assert read_accuracy(run)[0] == ["ant, bee", "cow, dog"]
    assert "ant, bee" in (run / "summary.md").read_text()


@pytest.mark.parametrize(
    ("arrays", "words", "told"),
    [
        ({"t": np.full(3, "sea")}, (), "t has sea, which is no task of the run (farm, bugs)"),
        ({"t": np.full(3, 2)}, (), "t has 2, which is no task of the run (0, 1)"),
        ({"t": np.zeros(3, int)}, ("--task", "1"), "says in t which task"),
        ({"y": np.full(3, 4)}, (), "the run's classes are 0 to 3"),
        ({"y": np.full(3, "elk")}, (), "the run's classes are ant, bee, cow, dog"),
        ({"y": np.zeros(3)}, (), "y is float64; the run's targets are classes"),
        ({"x": np.zeros((3, 6), np.uint8)}, (), "the run's data are floats"),
        ({}, ("--out", "./in.npz"), "is the input itself"),
        ({}, ("--task", "3"), "the run has the tasks 1 to 2"),
    ],
)
def test_what_cannot_be_predicted_is_one_sentence(inline, tmp_path, table, arrays, words, told):
    run = ran(inline, tmp_path, "dataset=npz", "dataset.path=own.npz")
    np.savez(tmp_path / "in.npz", **{"x": np.zeros((3, 6)), **arrays})
    before = (tmp_path / "in.npz").read_bytes()
    code, _, error = inline("predict", str(run), "in.npz", *words)
    assert code == 2
    assert told in error
    assert error.count("\n") == 1
    assert (tmp_path / "in.npz").read_bytes() == before


def test_parameters_that_are_no_numbers_predict_nothing(inline, tmp_path, table):
    from cl_bench.files.state import read_state, write_state

    run = ran(inline, tmp_path, "dataset=npz", "dataset.path=own.npz")
    state, facts = read_state(run / "model.safetensors")
    next(iter(state["nets"][0]["parameters"].values())).view(-1)[3] = torch.nan
    write_state(run / "model.safetensors", state, facts)
    np.savez(tmp_path / "in.npz", x=np.zeros((3, 6)))
    code, _, error = inline("predict", str(run), "in.npz")
    assert code == 1
    assert "parameters that are not finite" in error


def picture(path, shade, size=(9, 9)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 255 - shade)).save(path)


def test_a_folder_of_pictures_for_each_class(inline, tmp_path):
    for label, name in enumerate(CLASSES):
        for number in range(10):
            picture(tmp_path / "zoo" / name / f"{number}.png", 60 * label + number)
    (tmp_path / "zoo" / "ant" / "notes.txt").write_text("no picture")
    (tmp_path / "zoo" / ".hidden").mkdir()
    data = datasets.load("folder", str(tmp_path / "zoo"))
    assert data.train_images.shape == (32, 3, 9, 9)
    assert data.class_names == CLASSES
    assert data.test_images[:2, 0, 0, 0].tolist() == [4, 9]  # every fifth
    assert data.train_images[0, :, 0, 0].tolist() == [0, 0, 255]
    small = datasets.load("folder", str(tmp_path / "zoo"), {"size": 4, "grey": True})
    assert small.test_images.shape == (8, 4, 4)
    run = ran(inline, tmp_path, "dataset=folder", "dataset.path=zoo", "dataset.tasks=2",
              "dataset.read.size=4", "dataset.normalize=minmax")  # fmt: skip
    assert read_accuracy(run)[0] == ["ant, bee", "cow, dog"]


def test_folders_for_training_and_testing(tmp_path):
    for part, count in (("train", 3), ("test", 2)):
        for name in ("x", "y"):
            for number in range(count):
                picture(tmp_path / "set" / part / name / f"{number}.jpg", number)
    data = datasets.load("folder", str(tmp_path / "set"))
    assert (len(data.train_images), len(data.test_images)) == (6, 4)
    before = data.sha256
    picture(tmp_path / "set" / "test" / "x" / "1.jpg", 200)
    assert datasets.load("folder", str(tmp_path / "set")).sha256 != before
    picture(tmp_path / "set" / "test" / "z" / "1.jpg", 200)
    with pytest.raises(UsageError, match="test has a class z that train does not have"):
        datasets.load("folder", str(tmp_path / "set"))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda zoo: picture(zoo / "b" / "1.png", 1, (9, 8)), "dataset.read.size=N"),
        (lambda zoo: (zoo / "b" / "1.png").write_bytes(b"GIF89a"), "b/1.png: "),
        (lambda zoo: (zoo / "b" / "1.png").write_bytes(b"no"), "b/1.png: not a picture"),
        (lambda zoo: (zoo / "c").mkdir(), "class c has no picture for train"),
        (lambda zoo: picture(zoo / "c" / "1.png", 1), "class c has no picture for test"),
        (lambda zoo: picture(zoo / "b" / "1.png", 1, (9000, 2)), "larger than 8192 pixels"),
    ],
)
def test_pictures_that_do_not_fit_are_one_sentence(tmp_path, spoil, told):
    for name in "ab":
        for number in range(6):
            picture(tmp_path / name / f"{number}.png", number)
    spoil(tmp_path)
    with pytest.raises(UsageError) as caught:
        datasets.load("folder", str(tmp_path))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_png_of_another_size_is_not_decoded(tmp_path, monkeypatch):
    picture(tmp_path / "a.png", 1, (30, 20))
    content = (tmp_path / "a.png").read_bytes()
    assert pictures.decode_png(content, (30, 20), "L").shape == (20, 30)
    monkeypatch.setattr(Image, "open", None)  # Pillow is not even asked
    with pytest.raises(ValueError, match="is 30x20, not 9x9 pixels"):
        pictures.decode_png(content, (9, 9), "L")
    with pytest.raises(ValueError, match="not a PNG"):
        pictures.decode_png(b"GIF89a" + bytes(40), (9, 9), "L")


def test_options_of_a_dataset_are_checked(tmp_path):
    with pytest.raises(UsageError, match=r"dataset.read.siz: no such option; did you mean 'size'"):
        datasets.load("folder", str(tmp_path), {"siz": 3})
    with pytest.raises(UsageError, match=r"dataset.read.size=0"):
        datasets.load("folder", str(tmp_path), {"size": 0})
    with pytest.raises(UsageError, match=r"dataset.source=digits has no options"):
        datasets.load("digits", None, {"size": 3})
    with pytest.raises(UsageError, match="no such dataset; did you mean 'digits'"):
        datasets.load("digitz")
    for helper in ("cache", "idx", "pictures", "../cli/main"):
        with pytest.raises(UsageError, match="no such dataset"):
            datasets.load(helper)


def test_a_module_with_load_is_a_dataset(inline, own):
    """Nothing else is to be registered, and `doctor` lists it."""
    own.write(
        "datasets/mine.py",
        """
import numpy as np
from cl_bench.datasets import Arrays

def load(classes: int = 3):
    y = np.arange(12) % classes
    x = np.zeros((12, 4, 4), dtype=np.uint8)
    return Arrays("mine", x, y, x, y, classes, "0" * 64, "a test")
""",
    )
    own.include()
    assert datasets.load("mine", None, {"classes": 2}).classes == 2
    assert "mine" in datasets.names()
    code, out, _ = inline("--include", "mylab", "doctor")
    assert code == 0
    assert "data mine" in out
    own.write("datasets/mine.py", "import nothing_of_this_name\n")
    code, out, _ = inline("--include", "mylab", "doctor")
    assert code == 1
    assert "mylab/datasets/mine.py, line 1" in " ".join(out.split())


LIBRARY = """
import sys
import datasets as library
from PIL import Image
from cl_bench import datasets
from cl_bench.errors import UsageError

features = library.Features(
    {"img": library.Image(), "label": library.ClassLabel(names=["no", "yes"])}
)
pictures = [Image.new("L", (6, 6), 20 * n) for n in range(12)]
rows = {"img": pictures, "label": [n % 2 for n in range(12)]}
whole = library.Dataset.from_dict(rows, features=features)
library.DatasetDict({"train": whole, "test": whole}).save_to_disk("saved")
data = datasets.load("huggingface", "saved", {"grey": True})
assert data.train_images.shape == (12, 6, 6)
assert data.train_images[:, 0, 0].tolist() == [20 * n for n in range(12)]
assert data.class_names == ("no", "yes")
for path, read in (
    ("saved", {"train": "all"}), ("saved", {"label": "img"}), ("nobody/has-this", {})
):
    try:
        datasets.load("huggingface", path, read)
    except UsageError as error:
        print(error, file=sys.stderr)
"""


def test_pictures_of_the_library_datasets(tmp_path):
    try:
        version("datasets")
    except PackageNotFoundError:
        pytest.skip("needs the extra huggingface")
    # in a process of its own: a folder of the tests has the library's name
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY], cwd=tmp_path, capture_output=True, text=True,
        env=environment({"HF_HOME": str(tmp_path / "cache")}),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    no_split, no_column, not_here = done.stderr.splitlines()[-3:]
    assert "dataset.read.train=all: saved has the splits train, test" in no_split
    assert "dataset.read.label=img: saved has no such column for it" in no_column
    assert "nobody/has-this: cannot be read without the network" in not_here


def test_the_library_datasets_is_an_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(RunError, match=r"pip install 'cl-bench\[huggingface\]'"):
        datasets.load("huggingface", str(tmp_path))
