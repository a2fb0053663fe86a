"""The contract of a method: four verbs, each with a working default."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from cl_bench.config.pairing import Need
from cl_bench.config.schema import Section
from cl_bench.files.stateful import Stateful
from cl_bench.memory.base import Ability
from cl_bench.methods.parts.optimizer import Optimizer, OptimizerSettings
from cl_bench.network.theta import Network
from cl_bench.streams.scenario import Scenario
from cl_bench.streams.task import Task, index_of

EXTREME = 1e6  # no published setting of a method is as large


class MethodSettings(Section):
    """``lr``: step size; ``optimizer``: what takes the steps, plain SGD unless said otherwise."""

    lr: float = Field(gt=0, description="size of a step")
    optimizer: OptimizerSettings = OptimizerSettings()


@dataclass(frozen=True)
class Context:
    """What a run offers to its method.

    ``model`` holds the settings of the chosen model.
    ``build_network(**changes)`` makes a freshly initialised network on the run's device, with the
    model's settings changed as given (``hidden=[5, 5]``); ``generator`` is the random stream for
    the method's own draws, ``tasks`` the number T of tasks to come, in ``stays`` stays (more, where
    tasks return). ``data(task)`` gives the task's
    samples once more when it ends, in large batches x, y in the order of its first pass;
    ``up_to(task)`` the tasks until then, it included (for those that need the data of all tasks);
    ``inputs(task, "train")`` or ``"test"`` the inputs of one of the task's sets without labels, or
    those of some classes in the whole set; ``unlabelled(key, file)`` gives what shows the inputs of
    a ``.npz`` file, which the option ``key`` of the method names, as a task shows its own;
    ``validation(task)`` the batches that the task holds out of training, ``epochs`` the number of
    passes over each task.
    """

    model: Section
    build_network: Callable[..., Network]
    scenario: Scenario
    memory: Any  # of the kind that the method's ``memory_needs`` ask for; else None
    generator: torch.Generator
    device: torch.device
    tasks: int
    stays: int
    data: Callable[[Task], Iterator[tuple[Tensor, Tensor]]]
    up_to: Callable[[Task], Sequence[Task]]
    inputs: Callable[..., Iterator[Tensor]]
    unlabelled: Callable[[str, str], Callable[[Task], Iterator[Tensor]]]
    validation: Callable[[Task], Iterator[tuple[Tensor, Tensor]]]
    epochs: int


class Method(Stateful):
    """SGD on one network. A method overrides the verbs in which it differs.

    ``kept`` names the attributes that later behaviour depends on, beside those that the base keeps
    (see :class:`Stateful`).

    What it relies on is written out in the class, because it is read without importing it, and a
    run that cannot give it is refused. ``memory_needs`` are the abilities that it asks of a memory;
    if empty, it gets none. ``needs`` is what it must be told of the task, in the words of
    :data:`~cl_bench.config.pairing.Need`; ``needs_with`` what a value of a setting needs, as (key,
    value, need). All else it may have to do without: the task is None where nobody tells it, and
    where it is unknown in training no task, and no pass over one, begins or ends.
    """

    kept: ClassVar[tuple[str, ...]] = ("net", "generator", "passes", "memory", "optimizer")
    memory_needs: ClassVar[frozenset[Ability]] = frozenset()
    needs: ClassVar[frozenset[Need]] = frozenset()
    needs_with: ClassVar[tuple[tuple[str, Any, Need], ...]] = ()
    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    # where there is a choice: the code that does the arithmetic, and why it is this one
    kernel: str = ""
    reason: str = ""

    def __init__(self, settings: MethodSettings, context: Context) -> None:
        self.settings = settings
        self.context = context
        self.scenario = context.scenario
        self.memory: Any = context.memory  # of the kind that ``memory_needs`` asks for
        self.generator = context.generator
        self.device = context.device
        self.net = context.build_network()
        self.passes = self.net.passes  # those of all networks of the run
        chosen = settings.optimizer or OptimizerSettings()
        self.optimizer = Optimizer(chosen, settings.lr, context.device)

    # -- the four verbs -------------------------------------------------------------------------

    def begin_task(self, task: Task) -> None:
        """A new task starts; its first batch follows."""

    def observe(self, x: Tensor, y: Tensor, task: Task | None) -> None:
        """Learn from one batch x (b, *input_shape), y (b,), seen once."""
        self.gradient(x, y, task)
        self.step()

    def end_epoch(self, task: Task) -> None:
        """One pass over the task is complete; the last one is followed by :meth:`end_task`."""

    def end_task(self, task: Task) -> None:
        """The last batch of the task has been observed."""

    def logits(self, x: Tensor, task: Task | None) -> Tensor:
        """Outputs (n, C) for test inputs of ``task``; the runner masks them by the scenario."""
        return (self.answers(task) or self.net)(x)  # a method's own may build on this one

    def answers(self, task: Task | None) -> Callable[[Tensor], Tensor] | None:
        """What gives the :meth:`logits` for test inputs of ``task``, asked by several threads at a
        time, until this is called again: a module, unless it takes more than one.

        A :class:`~cl_bench.network.linear_stack.LinearStack` answers as it stands, whatever task is
        asked for next: the run may show it the inputs of many at once. None, as for every method
        that has ``logits`` of its own and says no more: one block of inputs after the other.
        """
        return self.net.module if type(self).logits is Method.logits else None

    def module(self, task: Task | None) -> nn.Module | None:
        """A copy of the module whose outputs are the :meth:`logits` for test inputs of ``task``;
        None if no module alone :meth:`answers`."""
        answers = self.answers(task)
        module = answers.module if isinstance(answers, Network) else answers
        return copy.deepcopy(module) if isinstance(module, nn.Module) else None

    def moves(self, learned: Task, tested: Task) -> bool:
        """Whether learning the one task may have changed the :meth:`logits` for the other.

        If not, they are the same to the bit and the run does not test the other again.
        """
        return True

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

    def gradient(self, x: Tensor, y: Tensor, task: Task | None) -> Tensor:
        """g (P,): the gradient of the batch's mean cross-entropy, in ``net.grad``."""
        return self.net.gradient(self.scenario.loss(self.net(x), y, index_of(task)).mean())

    def step(self) -> None:
        """θ ← θ - lr · g, or what ``method.optimizer`` makes of it."""
        self.optimizer.step([self.net.theta], [self.net.grad])

    def first_samples(self, task: Task, n: int) -> tuple[Tensor, Tensor]:
        """x, y of the first n samples of the task that was just learned, or of all it has."""
        found: list[tuple[Tensor, Tensor]] = []
        for x, y in self.context.data(task):
            found.append((x[:n], y[:n]))
            n -= len(found[-1][1])
            if not n:
                break
        x, y = zip(*found, strict=True)
        return torch.cat(x), torch.cat(y)

    @property
    def parameters(self) -> int:
        """Number of parameters that the method keeps."""
        return self.net.size

    def finite(self) -> bool:
        """Whether every parameter is a finite number."""
        return bool(torch.isfinite(self.net.theta).all())

    def advice(self) -> str:
        """What to change when the parameters are no longer finite: what is out of all bounds,
        else the size of a step."""
        numbers = {key: value for key, value in self.settings if isinstance(value, float)}
        beyond = {key: abs(value) for key, value in numbers.items() if abs(value) > EXTREME}
        key = max(beyond, key=beyond.get, default="lr")
        return f"lower method.{key} (now {numbers[key]})"

    # -- record ----------------------------------------------------------------------------------

    def metrics(self) -> dict[str, float]:
        """Numbers of the method's own that belong beside the accuracy in the results."""
        return {}

    def diagnostics(self) -> dict[str, Any]:
        """Counts and rates worth keeping with the result, as plain JSON values."""
        return {}
