"""Multimodal: Lopez-Paz & Ranzato 2017, an input layer per task, the rest shared."""

import numpy as np
import pytest
from stepping import STREAMS, Reference, error


class Multimodal(Reference):
    def __init__(self, run):
        super().__init__(run)
        self.weights = {k: v.numpy().copy() for k, v in run.method.net.module.state_dict().items()}

    @property
    def theta(self):
        names = [name for name, _ in self.run.method.net.module.named_parameters()]
        return np.concatenate([self.weights[name].ravel() for name in names])

    def layers(self, task):
        return [f"inputs.{task.index}", "shared.0", "shared.1"]

    def activations(self, x, task):
        found = [x]
        for name in self.layers(task):
            z = found[-1] @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
            found.append(z if name == "shared.1" else np.maximum(z, 0))
        return found

    def logits(self, x, task):
        return self.activations(x, task)[-1]

    def observe(self, x, y, task):
        seen = self.activations(x, task)
        delta = error(seen[-1], y, self.counts(task)) / len(y)
        for i, name in reversed(list(enumerate(self.layers(task)))):
            down = (delta @ self.weights[f"{name}.weight"]) * (seen[i] > 0)
            self.weights[f"{name}.weight"] -= self.lr * delta.T @ seen[i]
            self.weights[f"{name}.bias"] -= self.lr * delta.sum(0)
            delta = down


@pytest.mark.parametrize("init", ["authors", "torch", "xavier"])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_an_input_layer_each(agrees, stream, init):
    agrees(Multimodal, "method=multimodal", f"model.init={init}", *stream)
