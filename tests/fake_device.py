"""A device that is not there, to find what would fail, or wait, on a GPU: numbers lie on the CPU.

Importing it makes ``torch.device("fake")``: once in a process, and for good, so that tests use it
in a process of their own (``on_fake_device.py``). What CUDA refuses is refused: operations that mix
tensors of two devices, a generator of another device than the numbers it draws, ``numpy()`` of a
tensor on the device. So is float64, which Apple's GPUs lack. What lets the CPU wait for the device
is counted in ``waits``. Neither kernels nor streams are looked at.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

aten = torch.ops.aten
NAME = "fake"
waits: Counter[str] = Counter()  # what the CPU waited for: the operation -> how often


class _Module:
    """What torch asks of a device's own module."""

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def synchronize(self) -> None:
        pass

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return []


_setup_privateuseone_for_python_backend(NAME, _Module())
torch._C._set_only_lift_cpu_tensors(True)
DEVICE = torch.device(NAME, 0)

# an index may lie on the CPU, whatever it indexes
INDEXING = {
    aten.index.Tensor, aten.index_put.default, aten.index_put_.default,
    aten._index_put_impl_.default,
}  # fmt: skip
# how many numbers come out depends on the numbers that go in
COUNTING = {
    aten.nonzero.default, aten.masked_select.default, aten._unique2.default,
    aten.unique_consecutive.default, aten.unique_dim.default, aten.repeat_interleave.Tensor,
}  # fmt: skip


class OnDevice(Tensor):
    """A tensor of the device; ``held`` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        if held.dtype == torch.float64:
            raise TypeError("the device has no float64")
        # autograd takes no inference tensor for a view; what is held is one all the same
        with torch.inference_mode(False):
            made = torch.Tensor._make_wrapper_subclass(
                cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(),
                dtype=held.dtype, layout=held.layout, device=DEVICE,
            )  # fmt: skip
        made.held = held
        return made

    def __repr__(self) -> str:
        return f"OnDevice({self.held})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        made = OnDevice(self.held.detach().clone())
        if isinstance(self, nn.Parameter):
            made = nn.Parameter(made, self.requires_grad)
        memo[id(self)] = made
        return made

    def tolist(self) -> Any:
        waits["tolist"] += 1
        return self.held.tolist()

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        if func == _SET_DATA:  # torch moves what it knows of
            args[0].held = args[1].held
        return result

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


_SET_DATA = Tensor.data.__set__


class Device(TorchDispatchMode):
    """Within it tensors can be made on the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _run(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    if torch.is_inference_mode_enabled():  # else autograd has taken composite operations apart
        with Device():
            result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
    leaves = tree_leaves((args, kwargs))
    there = [leaf for leaf in leaves if isinstance(leaf, OnDevice)]
    here = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, OnDevice)]
    wanted = kwargs.get("device")
    goes = torch.device(wanted).type if wanted is not None else NAME if there else "cpu"
    if there and here and func is not aten.copy_.default:
        _check_devices(func, args, here)
    if there:
        _count(func, args, goes)
    if goes == NAME and any(isinstance(leaf, torch.Generator) for leaf in leaves):
        raise RuntimeError(f"{func}: a generator of the CPU draws numbers of the device")
    args, kwargs = tree_map(_held, (args, kwargs))
    if wanted is not None and goes == NAME:
        kwargs["device"] = torch.device("cpu")
    if kwargs.pop("pin_memory", None):
        raise RuntimeError("memory of the device cannot be pinned")
    result = func(*args, **kwargs)
    return result if goes != NAME else _wrapped(result, [*there, *here])


def _held(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, OnDevice) else leaf


def _wrapped(result: Any, given: list[Tensor]) -> Any:
    """The result on the device; what was changed in place, or written to, is itself."""
    same = {id(_held(tensor)): tensor for tensor in given}

    def wrap(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        found = same.get(id(leaf))
        return OnDevice(leaf) if found is None else found

    return tree_map(wrap, result)


def _check_devices(func: Any, args: tuple, here: list[Tensor]) -> None:
    """RuntimeError for what CUDA refuses; it takes single numbers of the CPU, and indices."""
    if func in INDEXING and isinstance(args[0], OnDevice):
        indices = {id(index) for index in args[1] if index is not None}
        here = [tensor for tensor in here if id(tensor) not in indices]
    changed = func._schema.name.endswith("_") and not isinstance(args[0], OnDevice)
    mixed = here if changed or func in INDEXING else [t for t in here if t.dim() > 0]
    if mixed:
        shapes = [tuple(tensor.shape) for tensor in mixed]
        raise RuntimeError(f"{func}: tensors of the device and of the CPU {shapes}")


def _count(func: Any, args: tuple, goes: str) -> None:
    """Whether the CPU has to wait for the device now."""
    masked = func in INDEXING and any(
        index is not None and index.dtype == torch.bool for index in args[1]
    )
    copied = func is aten.copy_.default and not isinstance(args[0], OnDevice)
    brought = func is aten._to_copy.default and goes == "cpu"
    if func is aten._local_scalar_dense.default or func in COUNTING or masked or copied or brought:
        waits[func._schema.name.removeprefix("aten::")] += 1
