"""scikit-learn's 8x8 handwritten digits, which come with its package: no download.

Source: UCI Optical Recognition of Handwritten Digits, test part (1797 images, 17 levels of grey).
"""

from __future__ import annotations

import numpy as np

from cl_bench.datasets import Arrays
from cl_bench.datasets.scikit import read_packed

SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"


def load(name: str) -> Arrays:
    """1,498 training and 299 test images; every sixth image is a test image."""
    text = read_packed(name, "digits.csv.gz", SHA256)
    rows = np.loadtxt(text.splitlines(), delimiter=",", dtype=np.int64)
    images = np.rint(rows[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    labels = rows[:, 64]
    test = np.arange(len(rows)) % 6 == 5
    return Arrays(
        name, images[~test], labels[~test], images[test], labels[test], 10, SHA256, "scikit-learn"
    )
