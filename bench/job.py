"""GEM on MNIST permutations: the whole job against its floor, the steps against a plain loop.

The floor is the time that the multiply-adds of the forward, weight-gradient and evaluation passes
take at the rate of one large float32 matrix product, measured in the same process.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import quadprog
from common import compose, gemm_rate


def multiply_adds(run) -> float:
    """What no implementation of this job can avoid, in multiply-adds."""
    weights = sum(p.numel() for p in run.method.net.parameters if p.ndim == 2)
    share, settings = run.memory.share, run.stream.settings
    samples = 0
    for task in run.stream.tasks:
        steps = run.stream.batches(task)
        samples += steps * (settings.batch_size + task.index * share)
    tests = len(run.stream.test) * len(run.stream.tasks) * (len(run.stream.tasks) + 1)
    return weights * (2 * samples + tests)


def whole_job(repeats: int) -> None:
    from cl_bench.run.build import prepare
    from cl_bench.run.execute import execute

    cfg = compose("method=gem", "dataset=mnist_permutations", "device=cpu")
    work = multiply_adds(prepare(cfg))
    print(f"whole job: {cfg.directory_name()}, {work / 1e12:.3f}e12 multiply-adds")
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeats):
            before = gemm_rate()
            began = time.perf_counter()
            execute(cfg, Path(folder, str(number)), show_bar=False)
            seconds = time.perf_counter() - began
            rate = (before + gemm_rate()) / 2
            ratios.append(work / rate / seconds)
            print(
                f"  job {seconds:6.1f} s   floor {work / rate:5.1f} s at "
                f"{2 * rate / 1e9:.0f} GFLOP/s   floor/job {ratios[-1]:.3f}"
            )
    print(f"  median floor/job {statistics.median(ratios):.3f}")


def against_plain_loop(threads: int) -> None:
    """The same 20 x 100 samples, step by step in turn, by cl-bench and by a plain autograd loop,
    both with so many threads."""
    import torch

    from cl_bench.run.build import prepare

    cfg = compose("method=gem", "dataset=mnist_permutations", "device=cpu",
                  f"device.threads={threads}", "dataset.samples_per_task=100",
                  "memory.size=2000")  # fmt: skip
    run, plain = prepare(cfg), prepare(cfg)
    module, kept = plain.method.net.module, []
    ours = loop = 0.0
    for task in run.stream.tasks:
        run.scenario.begin_task(task)
        seen = []
        for x, y in run.stream.train_batches(task):
            began = time.perf_counter()
            run.method.observe(x, y, task)
            ours += time.perf_counter() - began
            torch.set_num_threads(threads)  # of the loop's kernels; ours keep to one each
            began = time.perf_counter()
            _plain_step(torch, module, kept, x, y, cfg.method)
            loop += time.perf_counter() - began
            torch.set_num_threads(1)
            seen.append((x, y))
        kept.append((torch.cat([x for x, _ in seen]), torch.cat([y for _, y in seen])))
        if task.index == 9:
            # later on, rounding grows into different decisions at the constraints' boundary
            apart = (run.method.net.theta - plain.method.net.theta).abs().max().item()
    print(
        f"200 steps over 20 tasks, memory 2000, {threads} threads: "
        f"cl-bench {ours:.1f} s, plain loop {loop:.1f} s"
    )
    print(f"  plain/cl-bench {loop / ours:.1f}; parameters at most {apart:.0e} apart at task 10")


def _plain_step(torch, module, kept, x, y, method) -> None:
    """GEM as one would write it first: a backward pass per task, float64 on copies."""
    import torch.nn.functional as F

    def gradient(inputs, labels):
        for p in module.parameters():
            p.grad = None
        F.cross_entropy(module(inputs), labels).backward()
        return torch.cat([p.grad.flatten() for p in module.parameters()])

    past = [gradient(*samples) for samples in kept]
    g = gradient(x, y)
    if past and any(torch.dot(g, one) < 0 for one in past):
        rows = torch.stack(past).double().numpy()
        gram = rows @ rows.T + method["eps"] * np.eye(len(past))
        bound = np.full(len(past), method["margin"])
        v = quadprog.solve_qp(gram, -rows @ g.double().numpy(), np.eye(len(past)), bound)[0]
        g = torch.from_numpy(g.double().numpy() + rows.T @ v).float()
    with torch.no_grad():
        offset = 0
        for p in module.parameters():
            p -= method["lr"] * g[offset : offset + p.numel()].view_as(p)
            offset += p.numel()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="whole jobs to time")
    options = parser.parse_args(arguments)
    logging.getLogger("cl_bench").setLevel(logging.WARNING)
    whole_job(options.repeats)
    for threads in sorted({os.cpu_count() or 1, 1}, reverse=True):
        against_plain_loop(threads)


if __name__ == "__main__":
    main()
