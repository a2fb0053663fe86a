"""Pictures from a dataset of Hugging Face's library ``datasets``, as far as it is here already.

Nothing is downloaded, and no code of a dataset is run: version 4 of the library, which is the
first to be taken, has no loading scripts any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from cl_bench.datasets import Arrays
from cl_bench.datasets.pictures import Pictures
from cl_bench.errors import RunError, UsageError
from cl_bench.files.untrusted import clean


def load(
    path: str | None,
    size: Annotated[int, Field(ge=1, le=1024)] | None = None,
    grey: bool = False,
    image: str | None = None,
    label: str | None = None,
    train: str = "train",
    test: str = "test",
) -> Arrays:
    """uint8 (N, 3, H, W), or (N, H, W) if ``grey``, of the splits ``train`` and ``test``.

    ``path`` is a folder that ``save_to_disk`` wrote or the name of a dataset in the library's
    cache. ``image`` and ``label`` are its columns; None: the only one of its kind.
    """
    if path is None:
        raise UsageError("dataset=huggingface: give its name or folder with dataset.path=NAME")
    splits = _open(path)
    digest = hashlib.sha256()
    images: dict[str, np.ndarray] = {}
    labels: dict[str, np.ndarray] = {}
    names: tuple[str, ...] = ()
    for part, split in (("train", train), ("test", test)):
        if split not in splits:
            raise UsageError(
                f"dataset.read.{part}={split}: {path} has the splits {', '.join(map(str, splits))}"
            )
        images[part], labels[part], names = _read(path, splits[split], size, grey, image, label)
        digest.update(f"{images[part].shape} {names}".encode())
        digest.update(images[part].tobytes() + labels[part].tobytes())
    present = np.unique(labels["train"])
    if not names:
        names = tuple(map(str, range(int(present[-1]) + 1)))
    if strange := set(np.unique(labels["test"]).tolist()) - set(present.tolist()):
        raise UsageError(f"{path}: test has the label {min(strange)}, train does not")
    if len(present) != len(names) or present[0] < 0:
        raise UsageError(f"{path}: train has {len(present)} of {len(names)} classes; it needs all")
    return Arrays(
        clean(Path(path).name),
        images["train"],
        labels["train"],
        images["test"],
        labels["test"],
        len(names),
        digest.hexdigest(),
        path,
        class_names=names,
    )


def _open(path: str) -> Any:
    """The splits of the dataset, by name."""
    try:
        import datasets
    except ImportError:
        raise RunError(
            "dataset=huggingface needs the library datasets: pip install 'cl-bench[huggingface]'"
        ) from None
    if int(datasets.__version__.partition(".")[0]) < 4:
        raise RunError(
            f"dataset=huggingface needs datasets 4 or later, {datasets.__version__} is here: "
            "pip install 'cl-bench[huggingface]'"
        )
    datasets.disable_progress_bars()
    folder = Path(path).expanduser()
    try:
        if (folder / "dataset_dict.json").is_file():
            return datasets.load_from_disk(folder)
        with _offline():
            return datasets.load_dataset(str(folder) if folder.is_dir() else path)
    except Exception as error:  # the library and what it reads with have many kinds
        raise UsageError(
            f"dataset.path={path}: cannot be read without the network ({clean(error, 200)}); give "
            "a folder of save_to_disk, or load it once with the library datasets"
        ) from None


@contextmanager
def _offline() -> Iterator[None]:
    """Within the block the library does not ask the network, whoever imported it before."""
    import datasets
    import huggingface_hub

    places = (datasets.config, huggingface_hub.constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


def _read(
    path: str, split: Any, size: int | None, grey: bool, image: str | None, label: str | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Images, labels and the names of the classes, if the dataset has them, of one split."""
    from datasets import ClassLabel, Image, Value

    image = _column(path, split.features, "image", image, (Image,))
    label = _column(path, split.features, "label", label, (ClassLabel, Value))
    feature = split.features[label]
    names = feature.names if isinstance(feature, ClassLabel) else []
    pictures, labels = Pictures(size, grey), []
    columns = split.select_columns([image, label]).cast_column(image, Image(decode=False))
    for number, row in enumerate(columns):
        content, value = row[image]["bytes"], row[label]
        if content is None and row[image]["path"] is not None:
            content = Path(row[image]["path"]).read_bytes()
        if content is None or type(value) is not int:
            raise UsageError(f"{path}: row {number} has no picture, or a label that is no number")
        try:
            pictures.add(f"row {number}", content)
        except ValueError as error:
            raise UsageError(f"{path}: {error}") from None
        labels.append(value)
    if not labels:
        raise UsageError(f"{path}: has a split without a row")
    return pictures.stack(), np.array(labels), tuple(clean(name, 80) for name in names)


def _column(
    path: str, features: Any, option: str, chosen: str | None, kinds: tuple[type, ...]
) -> str:
    """The name of the column; the first of the kinds that there is one of, if none is chosen."""
    if chosen is not None:
        if chosen in features and isinstance(features[chosen], kinds):
            return chosen
        raise UsageError(
            f"dataset.read.{option}={chosen}: {path} has no such column for it "
            f"(columns: {', '.join(features)})"
        )
    for kind in kinds:
        found = [name for name, feature in features.items() if isinstance(feature, kind)]
        if len(found) == 1:
            return found[0]
    raise UsageError(
        f"{path}: which column is the {option} is not clear; set dataset.read.{option} "
        f"(columns: {', '.join(features)})"
    )
