"""Runs of version 0.1.0 as the present version would have recorded them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cl_bench.methods.base import Method


def config_of_today(values: dict[str, Any]) -> dict[str, Any]:
    """A recorded config with the options that have since moved into ``method.optimizer``."""
    method = dict(values.get("method") or {})
    moved = {}
    if "momentum" in method:
        moved["momentum"] = method.pop("momentum")
    if "lr_decay" in method:
        moved |= {"name": "adam", "schedule": "exponential", "decay": method.pop("lr_decay")}
    if moved:
        method["optimizer"] = moved
    return {**values, "method": method}


def state_of_today(saved: dict[str, Any], method: Method) -> dict[str, Any]:
    """A recorded state under today's names; what has no meaning once a run is finished is left."""
    if "net" in saved or "theta" not in saved:
        return {**method.state_dict(), **saved}
    today, old = method.state_dict(), dict(saved)
    found = {
        "net": _network(method.net, old["theta"], old["buffers"]),
        "generator": old["generator"],
        "memory": {**today["memory"], **old["memory"]} if "memory" in old else None,
    }
    if "passes" in old:
        found["passes"] = dict(zip(("forward", "backward"), map(int, old["passes"]), strict=True))
    if "thetas" in old:
        found["nets"] = [
            _network(net, theta, buffers)
            for net, theta, buffers in zip(
                vars(method)["nets"], old["thetas"], old["all_buffers"], strict=True
            )
        ]
    if "tau" in old:
        found["tau"] = _unpacked(old["tau"], method.net.size)
        values = _unpacked(old["shared"]["values"], method.net.size)
        found["shared"] = {**old["shared"], "values": values}
    same = {key: old[key] for key in today if key in old and key not in found}
    return {**today, **same, **found}


def _network(net: Any, theta: Tensor, buffers: dict[str, Tensor]) -> dict[str, Any]:
    parameters = dict(zip(net.names, net.views(theta), strict=True))
    return {**net.state_dict(), "parameters": parameters, "buffers": buffers}


def _unpacked(rows: list[Any], size: int) -> Tensor:
    """Rows (n, P), each as it is or by its non-zero entries."""
    out = torch.zeros(len(rows), size)
    for row, kept in zip(out, rows, strict=True):
        if isinstance(kept, Tensor):
            row.copy_(kept)
        else:
            row[kept["index"].long()] = kept["values"]
    return out
