"""Vectors with many zeros as they are kept in a file: by their other entries."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def pack_rows(rows: Tensor) -> list[Tensor | dict[str, Any]]:
    """Every row of (n, P) by its non-zero entries where that is smaller, else as it is."""
    return [_pack(row) for row in rows]


def unpack_rows(packed: list[Tensor | dict[str, Any]], like: Tensor) -> Tensor:
    """The rows (n, P) that :func:`pack_rows` was given, of the kind of ``like`` (any, P)."""
    rows = like.new_zeros(len(packed), like.shape[1])
    for row, kept in zip(rows, packed, strict=True):
        if isinstance(kept, Tensor):
            row.copy_(kept)
        else:
            row[kept["index"].to(row.device).long()] = kept["values"].to(row)
    return rows


def _pack(vector: Tensor) -> Tensor | dict[str, Any]:
    (index,) = vector.nonzero(as_tuple=True)
    if 2 * len(index) >= len(vector):
        return vector
    return {"index": index.int(), "values": vector[index]}
