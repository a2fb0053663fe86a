"""DER++: Dark Experience Replay that also keeps the labels.

Source: Buzzega et al. 2020 (arXiv:2004.07211), equation 6.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from cl_bench.methods.der import DER


class DERPlusPlus(DER):
    """L = CE(batch) + alpha · mean (h(x') - z')² + beta · CE(h(x''), y''), of two draws."""

    class Settings(DER.Settings):
        beta: float = Field(ge=0)

    settings: Settings

    def rehearsal(self) -> Tensor:
        distilled = super().rehearsal()
        old = self.memory.sample(self.settings.replay, self.generator)
        losses = self.scenario.loss(self.net(old.x), old.y, old.task_ids)
        return distilled + self.settings.beta * losses.mean()
