"""``cl-bench show dataset=...``: what a stream holds, as a table, a checksum and a picture."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.errors import RunError, UsageError
from cl_bench.files.atomic import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image
    from torch import Tensor

    from cl_bench.streams.base import Stream
    from cl_bench.streams.task import Task

COLUMNS = 12  # samples of each task
SIDE = 56  # smallest side of a sample on the sheet, in pixels
NAMED = 8  # classes of a task that are counted one by one


def main(arguments: list[str]) -> None:
    """Compose the dataset of ``arguments`` as a run would, print it and write its picture."""
    from cl_bench.config.compose import config_of
    from cl_bench.run.build import build_stream, pick_device

    if flags := [argument for argument in arguments if "=" not in argument[1:]]:
        raise UsageError(f"show {flags[0]}: takes GROUP=CHOICE and KEY=VALUE only")
    cfg = config_of(arguments)
    stream = build_stream(cfg, pick_device(cfg))
    if not cfg.quiet:
        _print_tasks(stream)
    print(f"dataset   {stream.data.name} from {stream.data.origin}, sha256 {stream.data.sha256}")
    print(f"checksum  {stream.checksum()}  (tasks and order, at seed {cfg.seed})")
    if len(stream.input_shape) not in (2, 3):
        print(f"no picture: a sample has shape {stream.input_shape}")
        return
    buffer = io.BytesIO()
    contact_sheet(stream).save(buffer, "PNG")
    path = Path(cfg.outputs).expanduser() / f"show-{cfg.dataset['name']}-seed{cfg.seed}.png"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make {path.parent}: {error.strerror}; choose outputs=DIR") from None
    write_atomic(path, buffer.getvalue())
    print(f"picture   {path}")


def contact_sheet(stream: Stream) -> Image.Image:
    """The first samples of every task as they are learned, one row a task."""
    from PIL import Image, ImageDraw

    rows = [[_picture(x) for x in islice(_inputs(stream, task), COLUMNS)] for task in stream.tasks]
    width, height = rows[0][0].size
    font_height = 14
    sheet = Image.new(
        "RGB", (COLUMNS * (width + 2), len(rows) * (height + font_height + 4)), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for number, (task, pictures) in enumerate(zip(stream.tasks, rows, strict=True)):
        top = number * (height + font_height + 4)
        # the font that Pillow brings along knows no more than Latin-1
        name = f"{task.index + 1}: {task.name}".encode("latin-1", "replace").decode("latin-1")
        draw.text((2, top + 1), name, fill="black")
        for column, picture in enumerate(pictures):
            sheet.paste(picture, (column * (width + 2), top + font_height))
    return sheet


def _inputs(stream: Stream, task: Task) -> Iterator[Tensor]:
    for x, _ in stream.train_batches(task):
        yield from x


def _picture(x: Tensor) -> Image.Image:
    """One sample (H, W) or (C, H, W), enlarged by a whole factor.

    What is not in [0, 1], as normalised inputs are, is shown from its least to its greatest value.
    """
    from PIL import Image

    if x.min() < 0 or x.max() > 1:
        x = (x - x.min()) / (x.max() - x.min()).clamp(min=1e-12)
    levels = (x * 255).round().byte().cpu()
    if levels.dim() == 3:
        levels = levels.permute(1, 2, 0) if len(levels) == 3 else levels[0]
    picture = Image.fromarray(levels.numpy())
    factor = max(1, -(-SIDE // min(picture.size)))
    return picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )


def _print_tasks(stream: Stream) -> None:
    from rich.table import Table

    from cl_bench.results.terminal import output

    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("task", "name"):
        table.add_column(title)
    for title in ("train", "held out", "test"):
        table.add_column(title, justify="right")
    numbers = stream.settings.target == "regression"
    table.add_column("training targets" if numbers else "training samples per output")
    for task in stream.tasks:
        test = len(stream.test) if task.test is None else len(task.test)
        sizes = map(str, (len(task.train), len(task.validation), test))
        table.add_row(str(task.index + 1), task.name, *sizes, _counts(stream, task))
    console = output(80)
    console.print(table)
    settings = stream.settings
    if len(stream.stays) > len(stream.tasks):
        console.print("learned in the order", *(task.index + 1 for task in stream.stays))
    console.print(
        f"{len(stream.tasks)} tasks, {stream.classes} outputs, scenario {settings.scenario}, "
        f"task identity {settings.task_identity}, "
        f"batches of {settings.batch_size}, {settings.epochs} pass(es)"
    )


def _counts(stream: Stream, task: Task) -> str:
    labels = stream.train.labels[task.train.to(stream.train.labels.device)].cpu()
    if labels.is_floating_point():
        return "; ".join(f"{y.min():.2f} to {y.max():.2f}, mean {y.mean():.2f}" for y in labels.t())
    outputs, counts = labels.unique(return_counts=True)
    if len(outputs) <= NAMED:
        pairs = zip(outputs.tolist(), counts.tolist(), strict=True)
        return ", ".join(f"{output}: {count}" for output, count in pairs)
    low, high = counts.min().item(), counts.max().item()
    each = f"{low} to {high}" if low < high else str(low)
    return f"{len(outputs)} outputs ({outputs[0]} to {outputs[-1]}), {each} of each"
