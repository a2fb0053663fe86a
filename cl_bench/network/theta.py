"""A network whose parameters are one vector θ and whose gradient is one vector g."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.modules.dropout import _DropoutNd

from cl_bench.files.stateful import Stateful
from cl_bench.network.linear_stack import LinearStack
from cl_bench.network.nearest_mean import NearestMean
from cl_bench.network.per_group import (
    Gradients,
    Groups,
    SampleLoss,
    StackGradients,
    add_gradients_to_the,
)
from cl_bench.network.side_by_side import able, side_by_side
from cl_bench.network.workers import Workers

# (logits (n, C), labels (n,)) -> loss of every sample (n,)
LabelLoss = Callable[[Tensor, Tensor], Tensor]

LAYERWISE_CHUNK = 1000  # samples per pass whose gradients are never formed
GRADIENT_CHUNK = 2**24  # numbers per pass in gradients that are (64 MB)


@dataclass
class Passes(Stateful):
    """Samples that went ``forward`` and ``backward`` through networks while these learned.

    A sample counts each time it goes through, whatever for: a step, a past task's gradient, an
    importance, an exemplar's features. What happens in ``torch.inference_mode`` is evaluation and
    does not count, nor does padding.
    """

    kept = ("forward", "backward")

    forward: int = 0
    backward: int = 0

    def add(self, samples: int) -> None:
        """Samples that went both ways, by code that does not call the network."""
        self.forward += samples
        self.backward += samples


class Network:
    """``module`` with its trainable parameters laid out in ``theta`` (P,), gradients in ``grad``.

    The module's own parameters and their ``.grad`` are views into the two vectors, so autograd
    writes ``grad`` in place and one vector operation on ``theta`` updates the whole network.
    Both keep their addresses for the whole run. ``passes`` counts what goes through; the networks
    of one run share it. ``outputs`` is C. ``generator`` seeds the random numbers of layers that
    draw some (dropout), which are the network's own. ``workers`` are the run's threads.
    ``precision`` is that of the products of :meth:`group_gradients` in a stack of linear layers;
    None: their own.
    """

    def __init__(
        self,
        module: nn.Module,
        device: torch.device,
        passes: Passes | None = None,
        outputs: int | None = None,
        generator: torch.Generator | None = None,
        workers: Workers | None = None,
        precision: torch.dtype | None = None,
    ) -> None:
        self.module = module.to(device)
        self.stack = module if isinstance(module, LinearStack) else None
        self.device = device
        self.passes = passes or Passes()
        self.workers = workers or Workers()
        self.precision = precision
        self.outputs = outputs  # C, where it is known
        self._recorded = 0  # samples that went forward and wait for the backward pass
        self.names = [name for name, p in module.named_parameters() if p.requires_grad]
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.size = sum(p.numel() for p in self.parameters)
        self.theta = torch.empty(self.size, device=device)
        self.grad = torch.zeros(self.size, device=device)
        views = zip(self.parameters, self.views(self.theta), self.views(self.grad), strict=True)
        for parameter, weights, gradient in views:
            weights.copy_(parameter.data)
            parameter.data, parameter.grad = weights, gradient
        self.random = None if generator is None else self._random_numbers(generator)
        self._draws = self.random is not None  # or was seen to draw, with no layer that does

    def views(self, vector: Tensor) -> list[Tensor]:
        """The parts of a vector (P,) in the shapes of the parameters."""
        parts = vector.split([p.numel() for p in self.parameters])
        return [part.view(p.shape) for part, p in zip(parts, self.parameters, strict=True)]

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (n, C) of inputs (n, *input_shape).

        What no gradient will be asked of belongs into ``torch.no_grad``: :meth:`backward` counts
        all that was recorded.
        """
        # a hook on the outputs would see the backward pass itself, but costs 6% of an MLP's step
        if not torch.is_inference_mode_enabled():
            samples = x.shape[0]
            self.passes.forward += samples
            if torch.is_grad_enabled():
                self._recorded += samples
        return self._forward(x)

    def features(self, x: Tensor) -> Tensor:
        """What the last linear layer gets for inputs x, (n, d)."""
        last = [layer for layer in self.module.modules() if isinstance(layer, nn.Linear)][-1]
        found: list[Tensor] = []
        hook = last.register_forward_pre_hook(lambda layer, inputs: found.append(inputs[0]))
        try:
            self(x)
        finally:
            hook.remove()
        return found[0]

    def function(self) -> Network:
        """What the outputs are made of, on the same θ and g: of a network that answers by the
        nearest class mean its embedding (n, size), of any other itself."""
        if not isinstance(self.module, NearestMean):
            return self
        other = copy.copy(self)
        other.module = self.module.embedding
        other.stack = other.module if isinstance(other.module, LinearStack) else None
        return other

    @torch.no_grad()
    def meet(self, x: Tensor, y: Tensor) -> None:
        """Samples x (b, *input_shape), y (b,) are about to be learned: class means take them in."""
        if isinstance(self.module, NearestMean):
            training = self.module.training
            self.module.eval()
            self.module.move_means(self.function()(x), y)
            self.module.train(training)

    def copy(self) -> Network:
        """A frozen teacher: the same function as now, in evaluation mode, that does not learn.

        It has θ of its own, and its samples are counted with this network's.
        """
        module = copy.deepcopy(self.module).eval()
        other = Network(module, self.device, self.passes, self.outputs, workers=self.workers)
        for parameter in other.parameters:
            parameter.requires_grad_(False)
        return other

    def gradient(self, loss: Tensor) -> Tensor:
        """dloss/dθ in ``grad`` (P,), which is returned; what it held before is lost."""
        self.grad.zero_()
        self.backward(loss)
        return self.grad

    def backward(self, loss: Tensor) -> None:
        """Add dloss/dθ to ``grad``, of a loss on all that went forward since the last time."""
        loss.backward()
        self.passes.backward += self._recorded
        self._recorded = 0

    def input_gradient(self, loss: Tensor, x: Tensor) -> Tensor:
        """dloss/dx for inputs x that went forward and require it; ``grad`` is left alone."""
        (g,) = torch.autograd.grad(loss, x)
        self.passes.backward += self._recorded
        self._recorded = 0
        return g

    def groups(self, x: Tensor, counts: list[int]) -> Groups:
        """Samples x (K, m, *input_shape) of K groups for :meth:`group_gradients`.

        Group k is its first ``counts[k]`` samples, the rest is padding.
        """
        return Groups(x, counts, self.precision)

    def one_group(self, x: Tensor) -> Groups:
        """All samples x (n, *input_shape), whose products are of the parameters' own type."""
        return Groups(x[None], [len(x)])

    def group_gradients(self, groups: Groups, sample_loss: SampleLoss, rows: Tensor) -> Gradients:
        """The gradients of the groups' mean losses, in ``rows`` (K, P) once they are formed.

        ``sample_loss`` gets logits and the slice of the flattened (K·m) batch that they belong to.
        The groups are spread over the run's threads. Outside a stack of linear layers every group
        has a pass of its own, so that BatchNorm's statistics belong to one of them.
        """
        self.passes.add(sum(groups.counts))
        if self.stack is not None:
            return StackGradients(self.stack, groups, sample_loss, rows, self.workers)

        def form(forward: Callable[[Tensor], Tensor], k: int) -> None:
            logits = forward(groups.x[k, : groups.counts[k]])
            loss = sample_loss(logits, groups.rows(k)).mean()
            found = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
            for view, gradient in zip(self.views(rows[k]), found, strict=True):
                view.copy_(gradient)

        on_threads = self.device.type == "cpu" and len(groups) > 1  # whatever their number
        if on_threads and not self._draws and able(self.module):
            side_by_side(self.module, self.workers, form, range(len(groups)))
        else:  # what each draws and leaves, the next one goes on from
            before = torch.get_rng_state()
            for k in range(len(groups)):
                form(self._forward, k)
            self._draws |= not torch.equal(before, torch.get_rng_state())
        return Gradients(rows)

    def mean_squared_gradient(self, x: Tensor, y: Tensor, sample_loss: LabelLoss) -> Tensor:
        """Mean over the samples of g_i², (P,), g_i the gradient of sample i's loss.

        ``x`` is (n, *input_shape), ``y`` (n,). One matrix product per layer and chunk where the
        parameters sit in linear layers only, else per-sample gradients of a chunk at a time.
        """
        return self._mean_gradient_to_the(2, x, y, sample_loss)

    def mean_absolute_gradient(self, x: Tensor, y: Tensor, sample_loss: LabelLoss) -> Tensor:
        """Mean over the samples of |g_i|, (P,), as :meth:`mean_squared_gradient`."""
        return self._mean_gradient_to_the(1, x, y, sample_loss)

    def _mean_gradient_to_the(
        self, order: int, x: Tensor, y: Tensor, sample_loss: LabelLoss
    ) -> Tensor:
        self.passes.add(len(y))
        out = torch.zeros_like(self.theta)
        chunk = LAYERWISE_CHUNK if self.stack is not None else max(1, GRADIENT_CHUNK // self.size)
        chunks = list(zip(x.split(chunk), y.split(chunk), strict=True))

        def of_a_chunk(inputs: Tensor, labels: Tensor) -> Tensor:
            part = torch.zeros_like(out)
            if self.stack is not None:
                add_gradients_to_the(
                    order, self.stack, inputs, lambda z: sample_loss(z, labels).sum(), part
                )
                return part
            rows = self._sample_gradients(inputs, labels, sample_loss)
            for view, gradients in zip(self.views(part), rows, strict=True):
                torch.sum(gradients.abs().pow(order), 0, out=view)
            return part

        # as many at a time as there are threads: each holds a vector of its own
        for start in range(0, len(chunks), self.workers.count):
            pieces = chunks[start : start + self.workers.count]
            for part in self.workers.map(lambda piece: of_a_chunk(*piece), pieces):
                out += part
        return out.div_(len(y))

    def _sample_gradients(self, x: Tensor, y: Tensor, sample_loss: LabelLoss) -> list[Tensor]:
        """Each sample's gradient, (n, *shape) for every parameter."""
        named = {name: p for name, p in self.module.named_parameters() if p.requires_grad}

        def loss_of_one(values: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
            changed = dict(zip(named, values, strict=True))
            return sample_loss(functional_call(self.module, changed, (x[None],)), y[None])[0]

        values = [p.detach() for p in named.values()]
        return vmap(grad(loss_of_one), in_dims=(None, 0, 0))(values, x, y)

    def _forward(self, x: Tensor) -> Tensor:
        if self.random is None or not self.module.training:
            return self.module(x)
        with self._own_random_numbers() as device:
            device.set_rng_state(self.random)
            logits = self.module(x)
            self.random = device.get_rng_state()
        return logits

    def _random_numbers(self, generator: torch.Generator) -> Tensor | None:
        """The state of the random numbers of layers that draw some (dropout); None without such."""
        if not any(isinstance(layer, _DropoutNd) for layer in self.module.modules()):
            return None
        seed = torch.randint(2**62, (), generator=generator).item()
        with self._own_random_numbers() as device:
            device.manual_seed(seed)
            return device.get_rng_state()

    @contextmanager
    def _own_random_numbers(self) -> Iterator[ModuleType]:
        """Yields where the device's random numbers are; they stay as they were for all others."""
        device = {"cuda": torch.cuda, "mps": torch.mps}.get(self.device.type, torch)
        before = device.get_rng_state()
        try:
            yield device
        finally:
            device.set_rng_state(before)

    def state_dict(self) -> dict[str, Any]:
        """Parameters and buffers by the module's own names, in their shapes."""
        state = {
            "parameters": dict(zip(self.names, (p.data for p in self.parameters), strict=True)),
            "buffers": dict(self.module.named_buffers()),
        }
        return state if self.random is None else {**state, "random": self.random}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        for name, parameter in zip(self.names, self.parameters, strict=True):
            parameter.data.copy_(state["parameters"][name])
        for name, buffer in self.module.named_buffers():
            buffer.copy_(state["buffers"][name])
        if self.random is not None:
            self.random = state["random"].cpu()
