"""Steps per second of MER's two chains, generic and compiled, on real MNIST samples.

Run: python bench/chain.py [--steps 20000]. One process, one CPU thread, 784-100-100-10; the two
take turns, the time is the process's own, and the best of each is kept, so that a busy machine
disturbs the ratio little.
"""

from __future__ import annotations

import argparse
import time

import torch
from common import compose

from cl_bench.memory.reservoir import Reservoir
from cl_bench.methods.parts.inner_loop import InnerLoop, Rule, make_inner_loop
from cl_bench.models.mlp import MLP
from cl_bench.network.theta import Network
from cl_bench.rng import drawing_from, generator
from cl_bench.run.build import build_stream
from cl_bench.streams.scenario import Scenario

BATCHES, REPLAY, ROUNDS = 10, 100, 5


def seconds_per_step(chain: InnerLoop, memory: Reservoir, steps: int) -> float:
    """Mean time of a one-sample step over about ``steps`` of them, in chains as MER runs them."""
    draw = generator(0, "bench")
    calls = max(1, steps // (BATCHES * (REPLAY + 1)))
    began = time.process_time()
    for call in range(calls):
        rows = memory.draw((BATCHES, REPLAY + 1), draw)
        rows[:, 0] = -1
        chain.run(memory.x[call : call + 1], memory.y[call : call + 1], 0, memory, rows)
    return (time.process_time() - began) / (calls * BATCHES * (REPLAY + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50_000, help="compiled steps in a round")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    cfg = compose("dataset=mnist_permutations", "dataset.samples_per_task=250",
                  "dataset.batch_size=250")  # fmt: skip
    stream = build_stream(cfg, cpu)
    memory = Reservoir(
        Reservoir.Settings(name="reservoir", size=5000, acceptance="textbook"),
        len(stream.tasks), stream.input_shape, cpu,
    )  # fmt: skip
    for task in stream.tasks:
        for x, y in stream.train_batches(task):
            memory.add(x, y, task.index, generator(0, "fill"))

    rule = Rule(lr=0.03, scale=1.0, clip=None, within=0.03, across=1.0)
    mlp = MLP.Settings(name="mlp", hidden=[100, 100], init="xavier")
    chains = {}
    for kernel in ("generic", "compiled"):
        with drawing_from(generator(0, "init")):
            net = Network(MLP(mlp, stream.input_shape, stream.classes), cpu)
        chains[kernel] = make_inner_loop(net, Scenario(stream, cpu), 20, rule, kernel)[0]
    best = dict.fromkeys(chains, float("inf"))
    for _ in range(ROUNDS):
        for kernel, chain in chains.items():
            share = arguments.steps if kernel == "compiled" else arguments.steps // 20
            best[kernel] = min(best[kernel], seconds_per_step(chain, memory, share))
    print(f"{'chain':<10}{'µs per step':>12}{'steps per s':>14}{'ratio':>8}")
    for kernel, seconds in best.items():
        ratio = best["generic"] / seconds
        print(f"{kernel:<10}{seconds * 1e6:>12.2f}{1 / seconds:>14,.0f}{ratio:>8.1f}")


if __name__ == "__main__":
    main()
