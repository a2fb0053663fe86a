"""Nested state as one safetensors file: tensors as tensors, all else as JSON in its header.

Nothing that is read here can execute code: the format has no objects, only numbers and text.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from cl_bench.files.atomic import write_atomic

KEY = "cl_bench"  # of the header's metadata; one key, since several are written in any order
MARK = "__tensor__"  # {MARK: name} stands for a tensor in the JSON tree
SPARSE = "__sparse__"  # {SPARSE: shape, "name": name}: its entries that are not zero, and where
WORTH_PACKING = 10_000  # numbers


def write_state(path: Path, state: Any, facts: dict[str, Any]) -> None:
    """``state`` (dicts, lists, tensors, plain values) and plain ``facts``, written atomically.

    Equal contents give equal files. Tuples are read back as lists. Raises ``TypeError`` for state
    that could not be read back as it is.
    """
    tensors: dict[str, Tensor] = {}
    tree = _take_apart(state, "", tensors)
    content = {"state": tree, "facts": facts, "sha256": _digest(tree, facts, tensors)}
    write_atomic(path, safetensors.torch.save(tensors, {KEY: json.dumps(content)}))


def read_state(path: Path) -> tuple[Any, dict[str, Any]]:
    """State and facts of a file; ``ValueError`` with the reason if it is not whole.

    ``FileNotFoundError`` if there is none.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ValueError("it is not a plain file")
    data = path.read_bytes()
    try:
        tensors = safetensors.torch.load(data)
        (length,) = struct.unpack("<Q", data[:8])
        content = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY])
        tree, facts, digest = content["state"], content["facts"], content["sha256"]
        if digest != _digest(tree, facts, tensors):
            raise ValueError("its content does not match its checksum")
        if not isinstance(facts, dict):
            raise ValueError("its facts are not a table")
        return _put_together(tree, tensors), facts
    except safetensors.SafetensorError as error:
        raise ValueError(f"it is cut off or damaged ({error})") from None
    except (KeyError, TypeError, RecursionError, struct.error) as error:
        raise ValueError(f"it was not written by cl-bench ({error!r})") from None


def _take_apart(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor) and _mostly_zero(value):
        flat = value.detach().cpu().flatten()
        (index,) = flat.view(torch.int32).nonzero(as_tuple=True)  # a negative zero is kept
        tensors[f"{name}.index"], tensors[f"{name}.values"] = index.int(), flat[index]
        return {SPARSE: list(value.shape), "name": name}
    if isinstance(value, Tensor):
        # a copy: the format has no views, and two names may stand for one storage
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {MARK: name}
    if isinstance(value, dict):
        if {MARK, SPARSE} & value.keys() or not all(isinstance(key, str) for key in value):
            raise TypeError(f"state {name}: keys must be text other than {MARK}, {SPARSE}")
        return {key: _take_apart(v, f"{name}.{key}", tensors) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_take_apart(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"state {name}: {type(value).__name__} cannot be kept")


def _mostly_zero(value: Tensor) -> bool:
    """Whether a tensor is smaller by its non-zero entries: the task parameters of APD, say."""
    size = value.numel()
    return (
        value.dtype == torch.float32
        and WORTH_PACKING <= size < 2**31
        and 2 * int(value.count_nonzero()) < size
    )


def _put_together(tree: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, dict):
        if MARK in tree:
            return tensors[tree[MARK]]
        if SPARSE in tree:
            index, values = (tensors[f"{tree['name']}.{part}"] for part in ("index", "values"))
            flat = torch.zeros(tree[SPARSE]).flatten()
            flat[index.long()] = values
            return flat.view(tree[SPARSE])
        return {key: _put_together(value, tensors) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_put_together(value, tensors) for value in tree]
    return tree


def _digest(tree: Any, facts: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps([tree, facts]).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
