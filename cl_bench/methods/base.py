"""The contract of a method: four verbs, each with a working default."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from cl_bench.config.schema import Section
from cl_bench.memory.base import Memory
from cl_bench.network.theta import Network
from cl_bench.streams.scenario import Scenario
from cl_bench.streams.task import Task


class MethodSettings(Section):
    """``lr``: step size of plain SGD."""

    lr: float = Field(gt=0)


@dataclass(frozen=True)
class Context:
    """What a run offers to its method.

    ``model`` holds the settings of the chosen model.
    ``build_network(**changes)`` makes a freshly initialised network on the run's device, with the
    model's settings changed as given (``hidden=[5, 5]``); ``generator`` is the random stream for
    the method's own draws, ``tasks`` the number T of tasks to come. ``inputs(task, "train")`` or
    ``"test"`` gives the inputs of one of the task's sets in large batches, without labels;
    ``validation(task)`` the batches that the task holds out of training, ``epochs`` the number of
    passes over each task.
    """

    model: Section
    build_network: Callable[..., Network]
    scenario: Scenario
    memory: Memory | None
    generator: torch.Generator
    device: torch.device
    tasks: int
    inputs: Callable[[Task, Literal["train", "test"]], Iterator[Tensor]]
    validation: Callable[[Task], Iterator[tuple[Tensor, Tensor]]]
    epochs: int


class Method:
    """Plain SGD on one network. A method overrides the verbs in which it differs.

    ``memories`` names the memories it works with, any other is refused; if empty, it gets none.
    ``needs`` says what else it relies on, for readers: ``task identity``, ``task boundaries``.
    """

    memories: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[frozenset[str]] = frozenset()
    Settings: ClassVar[type[MethodSettings]] = MethodSettings

    def __init__(self, settings: MethodSettings, context: Context) -> None:
        self.settings = settings
        self.scenario = context.scenario
        self.memory = context.memory
        self.generator = context.generator
        self.device = context.device
        self.net = context.build_network()

    # -- the four verbs -------------------------------------------------------------------------

    def begin_task(self, task: Task) -> None:
        """A new task starts; its first batch follows."""

    def observe(self, x: Tensor, y: Tensor, task: Task) -> None:
        """Learn from one batch x (b, *input_shape), y (b,), seen once."""
        self.gradient(x, y, task)
        self.step()

    def end_task(self, task: Task) -> None:
        """The last batch of the task has been observed."""

    def logits(self, x: Tensor, task: Task) -> Tensor:
        """Outputs (n, C) for test inputs of ``task``; the runner masks them by the scenario."""
        return self.net(x)

    def forget(self, task: int) -> None:
        """Drop all that belongs to the task of this index alone, if it is still there.

        The predictions for every other task stay as they are, bit for bit. Not while a task is
        being learned. Only methods that keep their tasks apart can do so, and override this.
        """
        raise NotImplementedError

    def train(self, mode: bool) -> None:
        """Learning (True) or evaluation (False) behaviour of BatchNorm and dropout."""
        self.net.module.train(mode)

    # -- what the verbs are made of --------------------------------------------------------------

    def gradient(self, x: Tensor, y: Tensor, task: Task) -> Tensor:
        """g (P,): the gradient of the batch's mean cross-entropy, in ``net.grad``."""
        return self.net.gradient(self.scenario.loss(self.net(x), y, task.index).mean())

    def step(self) -> None:
        """θ ← θ - lr · g."""
        self.net.theta.add_(self.net.grad, alpha=-self.settings.lr)

    @property
    def parameters(self) -> int:
        """Number of parameters that the method keeps."""
        return self.net.size

    def finite(self) -> bool:
        """Whether every parameter is a finite number."""
        return bool(torch.isfinite(self.net.theta).all())

    # -- state and record ------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All state that later behaviour depends on; a subclass adds its own to it."""
        state: dict[str, Any] = {
            "theta": self.net.theta,
            "buffers": dict(self.net.module.named_buffers()),
            "generator": self.generator.get_state(),
            "passes": [self.net.passes.forward, self.net.passes.backward],
        }
        if self.memory is not None:
            state["memory"] = self.memory.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where the method that gave ``state`` stood."""
        self.net.theta.copy_(state["theta"])
        for name, buffer in self.net.module.named_buffers():
            buffer.copy_(state["buffers"][name])
        self.generator.set_state(state["generator"])
        if "passes" in state:  # models of earlier versions do not say
            self.net.passes.forward, self.net.passes.backward = map(int, state["passes"])
        if self.memory is not None:
            self.memory.load_state_dict(state["memory"])

    def metrics(self) -> dict[str, float]:
        """Numbers of the method's own that belong beside the accuracy in the results."""
        return {}

    def diagnostics(self) -> dict[str, Any]:
        """Counts and rates worth keeping with the result, as plain JSON values."""
        return {}
