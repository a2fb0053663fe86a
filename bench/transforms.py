"""How much slower than a plain gather of the same bytes the transforms of the streams are.

    python bench/transforms.py [cuda]

Prints, for blocks of test images (slices) and of training images (drawn rows), the time per image
and its ratio to a plain gather, ``images[rows]`` as float32 in [0, 1]; the bilinear rotation reads
four pixels for each, so its yardstick is four plain gathers. The best of many rounds in one
process counts, so that other load on the machine matters little.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch import Tensor

from cl_bench.streams.quarter_turns import TURNS, Turned
from cl_bench.streams.split import Split
from cl_bench.streams.task import Transform
from cl_bench.streams.transforms import (
    Blend,
    Gather,
    Plain,
    bilinear_rotation,
    nearest_rotation,
    to_unit,
)

ROUNDS = 40
IMAGES, BLOCK = 10_000, 2000


def main() -> None:
    device = torch.device("cuda" if "cuda" in sys.argv else "cpu")
    torch.set_num_threads(1)
    print(f"{'image':10s} {'transform':20s} {'rows':6s} {'µs/image':>9s} {'ratio':>6s}")
    for shape in ((28, 28), (3, 32, 32)):
        images = np.random.default_rng(0).integers(0, 256, (IMAGES, *shape), dtype=np.uint8)
        split = Split(images, np.zeros(IMAGES * TURNS, np.int64), device)
        block, drawn = slice(0, BLOCK), torch.randperm(IMAGES)[:BLOCK].to(device)
        permutation = Gather(torch.randperm(images[0].size).to(device))
        nearest = Gather(nearest_rotation(shape, 33.0).to(device))
        bilinear = Blend(*(part.to(device) for part in bilinear_rotation(shape, 33.0)))
        yardstick = seconds(PlainGather(), split, drawn)
        for name, transform, rows, gathers in (
            ("plain", Plain(), drawn, 1),
            ("permutation", permutation, block, 1),
            ("permutation", permutation, drawn, 1),
            ("rotation, nearest", nearest, block, 1),
            ("rotation, nearest", nearest, drawn, 1),
            ("rotation, bilinear", bilinear, block, 4),
            ("rotation, bilinear", bilinear, drawn, 4),
            ("quarter turns", Turned(), torch.randperm(IMAGES * TURNS)[:BLOCK].to(device), 1),
        ):
            taken = seconds(transform, split, rows)
            print(
                f"{'x'.join(map(str, shape)):10s} {name:20s} "
                f"{'slice' if rows is block else 'drawn':6s} {taken / BLOCK * 1e6:9.2f} "
                f"{taken / gathers / yardstick:6.2f}"
            )


class PlainGather:
    """What one would write without thinking about it."""

    def __call__(self, split: Split, rows: Tensor) -> Tensor:
        return to_unit(split.images[rows])


def seconds(transform: Transform | PlainGather, split: Split, rows: slice | Tensor) -> float:
    """The shortest time of one call."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        transform(split, rows)
        if split.images.is_cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return best


if __name__ == "__main__":
    main()
