"""``cl-bench export``: the network of a finished run as a file for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from cl_bench.cli.parser import Parser
from cl_bench.cli.predict import chosen_task, forgotten
from cl_bench.errors import UsageError
from cl_bench.files.atomic import write_atomic
from cl_bench.run.load import load

SUFFIXES = (".safetensors", ".onnx")


def parser() -> argparse.ArgumentParser:
    found = Parser(
        prog="cl-bench export",
        description="Write the network that answers for a task: its state_dict by the module's own "
        "names as safetensors or, with the extra onnx, as ONNX. What its inputs and outputs are is "
        "in the file's header.",
        allow_abbrev=False,
    )
    found.add_argument("run", type=Path, metavar="RUN", help="directory of a finished run")
    found.add_argument(
        "--task", type=int, metavar="N",
        help="position of the task in the stream, from 1; without it the last task",
    )  # fmt: skip
    found.add_argument(
        "--out", type=Path, default=Path("exported.safetensors"), metavar="FILE",
        help="FILE.safetensors or FILE.onnx",
    )  # fmt: skip
    return found


def main(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    if options.out.suffix not in SUFFIXES:
        raise UsageError(f"--out {options.out}: must end in {' or '.join(SUFFIXES)}")
    if options.out.resolve().parent == options.run.resolve():
        raise UsageError(f"--out {options.out}: is in the run's directory; choose another place")
    from cl_bench.run.export import as_onnx, as_safetensors, described, trained_module

    run = load(options.run)
    position = chosen_task(run, options.task, forgotten(options.run)) - 1
    module, facts = trained_module(run, position), described(run, position)
    write = as_onnx if options.out.suffix == ".onnx" else as_safetensors
    write_atomic(options.out, write(module, facts))
    names = ", ".join(name for name, _ in module.named_parameters())
    print(f"task {facts['task']} ({facts['task_name']}), {type(module).__name__}: {names}")
    if facts["shown"] != "plain":
        print(f"its inputs are shown to it by a transform ({facts['shown']}), which is not in it")
    print(options.out)
