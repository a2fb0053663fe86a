"""The trained network of a finished run, for programs that know nothing of cl-bench."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cl_bench import __version__
from cl_bench.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from cl_bench.run.build import Run


def trained_module(run: Run, position: int) -> nn.Module:
    """The plain module, in evaluation mode, that answers for the task at ``position`` (from 0)."""
    run.method.train(False)
    task = run.stream.tasks[position]
    module = run.method.module(run.scenario.in_tests(task))
    if module is None:
        raise UsageError(
            f"method={run.cfg.method['name']} does not answer by the outputs of a network alone, "
            "so that there is nothing to export; cl-bench predict asks it"
        )
    return module.eval()


def described(run: Run, position: int) -> dict[str, Any]:
    """What has to be known to ask the module and to read its outputs, as plain JSON values.

    ``labels`` (C,): the dataset's label of each output. ``counted``: the outputs of which the
    largest is the answer; both are empty where the outputs are numbers (``target: regression``).
    ``shown``: how the task shows its inputs, plain being as the dataset has
    them. ``normalize``: x ↦ (x - shift) / scale comes first.
    """
    stream, task = run.stream, run.stream.tasks[position]
    visible = run.scenario.visible(task.index)
    counted = range(stream.classes) if visible is None else visible.nonzero().flatten().tolist()
    facts = {
        "cl_bench": __version__,
        "method": run.cfg.method["name"],
        "model": run.cfg.model,
        "task": position + 1,
        "task_name": task.name,
        "input_shape": list(stream.input_shape),
        "scale": "uint8 / 255" if run.stream.data.train_images.dtype == "uint8" else "as it is",
        "shown": type(task.transform).__name__.lower(),
        "labels": list(stream.labels_of(task)),
        "counted": list(counted),
        "class_names": list(stream.data.class_names),
    }
    if run.scenario.numbers:
        facts |= {"target": "regression", "labels": [], "counted": []}
    if stream.normalizer is not None:
        values = {"shift": stream.normalizer.shift, "scale": stream.normalizer.scale}
        facts["normalize"] = {key: tensor.tolist() for key, tensor in values.items()}
    return facts


def as_safetensors(module: nn.Module, facts: dict[str, Any]) -> bytes:
    """The module's ``state_dict`` by its own names; ``facts`` are in the header as JSON."""
    import safetensors.torch
    import torch

    # copies: parameters are views into one vector, which the format does not have
    state = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in module.state_dict().items()
    }
    return safetensors.torch.save(state, {"format": "pt", "cl_bench": json.dumps(facts)})


def as_onnx(module: nn.Module, facts: dict[str, Any]) -> bytes:
    """``x`` (n, *input_shape) to ``logits`` (n, C); ``facts`` are among the model's metadata."""
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise UsageError("ONNX is not installed: pip install 'cl-bench[onnx]'")
    import torch

    example = torch.zeros(2, *facts["input_shape"])
    with _hushed():
        program = torch.onnx.export(
            module.cpu(), (example,), input_names=["x"], output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("n")},), dynamo=True, verbose=False,
        )  # fmt: skip
    model = program.model_proto
    model.metadata_props.add(key="cl_bench", value=json.dumps(facts))
    return model.SerializeToString()


@contextmanager
def _hushed() -> Iterator[None]:
    """The exporter warns about its own parts and about packages that it could do more with."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
