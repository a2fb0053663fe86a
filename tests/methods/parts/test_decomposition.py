import pytest
from one_method import small_run
from torch import nn

from cl_bench.errors import UsageError
from cl_bench.models.mlp import MLP


@pytest.mark.parametrize("method", ["apd", "packnet"])
def test_statistics_that_tasks_would_share_are_refused(method, monkeypatch):
    plain = MLP.__init__

    def with_norm(self, *given):
        plain(self, *given)
        self.norm = nn.BatchNorm1d(3)

    monkeypatch.setattr(MLP, "__init__", with_norm)
    with pytest.raises(UsageError, match=r"statistics of this model .* choose model=lenet"):
        small_run(f"method={method}")
