"""Independent: Lopez-Paz & Ranzato 2017; with whole networks the STL of Yoon et al. 2020."""

import numpy as np
import pytest
from stepping import STREAMS, Net, Reference


class Independent(Reference):
    """A network per task; with ``finetune`` it starts from the weights of the one before."""

    def __init__(self, run):
        super().__init__(run)
        self.nets = [Net(net.module) for net in run.method.nets]

    @property
    def theta(self):
        return np.concatenate([net.theta for net in self.nets])

    def begin_task(self, task):
        self.net = self.nets[task.index]
        if self.s["finetune"] and task.index > 0:
            self.net.theta = self.nets[task.index - 1].theta.copy()
            if self.s["head"] == "carried":
                W, b = self.net.layers[-1]
                now, before = list(task.classes), list(self.classes)
                W[now], b[now] = W[before], b[before]
        self.classes = task.classes

    def logits(self, x, task):
        return self.nets[task.index].logits(x)


def weights(method):
    return np.concatenate([Net(net.module).theta for net in method.nets])


@pytest.mark.parametrize("width", ["share", "whole"])
@pytest.mark.parametrize("finetune", ["true", "false"])
def test_a_network_each(agrees, finetune, width):
    words = f"method.finetune={finetune}", f"method.width={width}"
    agrees(Independent, "method=independent", *words, *STREAMS["one head"], theta=weights)


@pytest.mark.parametrize("head", ["own", "carried"])
def test_heads_of_their_own(agrees, head):
    agrees(
        Independent, "method=independent", f"method.head={head}", *STREAMS["heads"], theta=weights
    )
