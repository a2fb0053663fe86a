"""442 diabetes patients and how far their disease went in a year; comes with scikit-learn.

Source: Efron et al. 2004 ("Least angle regression", Annals of Statistics 32:2).
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import numpy as np
from pydantic import Field

from cl_bench.datasets import Arrays
from cl_bench.datasets.scikit import read_packed

INPUTS = "86badf50b4f9436ddd1e497dc0ae1b93166f8120221ee7dca4634fe849f3be7c"
TARGETS = "244713a551f62a291a354212d8a048adec6cb1244b2bc44e66a0698f5006d26d"
SHA256 = hashlib.sha256(f"{INPUTS} {TARGETS}".encode()).hexdigest()
AGE = 0  # the column


def load(name: str, groups: Annotated[int, Field(ge=1, le=8)] = 4) -> Arrays:
    """295 training and 147 test patients, every third for testing, with 10 numbers each; the target
    (N, 1) has mean 0 and deviation 1 over the training patients.

    The tasks are ``groups`` of ages with about as many training patients, the youngest first.
    """
    inputs = np.loadtxt(read_packed(name, "diabetes_data_raw.csv.gz", INPUTS).splitlines())
    target = np.loadtxt(read_packed(name, "diabetes_target.csv.gz", TARGETS).splitlines())
    test = np.arange(len(target)) % 3 == 2
    target = (target - target[~test].mean()) / target[~test].std()
    age = inputs[:, AGE]
    bounds = np.quantile(age[~test], np.arange(1, groups) / groups)
    task = np.searchsorted(bounds, age, side="left").astype(np.int64)
    ends = [(age[task == group].min(), age[task == group].max()) for group in range(groups)]
    x, y = inputs.astype(np.float32), target.astype(np.float32)[:, None]
    return Arrays(
        name, x[~test], y[~test], x[test], y[test], 1, SHA256, "scikit-learn",
        train_tasks=task[~test], test_tasks=task[test],
        task_names=tuple(f"age {low:.0f}-{high:.0f}" for low, high in ends),
    )  # fmt: skip
