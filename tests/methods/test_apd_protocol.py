"""The CIFAR-100 settings of APD's authors are what naming the method and the dataset gives."""

import pytest

from cl_bench.config.compose import config_of


@pytest.mark.parametrize(
    ("dataset", "l1", "tasks"), [("cifar100_split", 4e-4, 10), ("cifar100_superclass", 6e-4, 20)]
)
@pytest.mark.parametrize("method", ["apd", "apd1", "apd-fixed"])
def test_the_protocol_is_the_default(method, dataset, l1, tasks):
    cfg = config_of([f"method={method}", f"dataset={dataset}", "dataset.order=E"])
    data, options = cfg.dataset, cfg.method
    assert (data["tasks"], data["epochs"], data["batch_size"], data["validation"]) == (
        tasks, 20, 100, 0.2,
    )  # fmt: skip
    assert (data["scenario"], data["layout"], data["order"]) == ("task", "image", "E")
    assert cfg.model == {"name": "lenet", "convolutions": [20, 50], "hidden": [800, 500]}
    assert (options["lr"], options["optimizer"]["decay"], options["weight_decay"]) == (
        1e-3,
        0.95,
        1e-4,
    )
    assert (options["l1"], options["drift"], options["select"]) == (l1, 100 / 2, 5)
    assert options["tau_init"] == "shared"
    assert options["retroactive"] is (method != "apd-fixed")
    if method == "apd":
        consolidation = [options[key] for key in ("consolidate_every", "clusters", "gap")]
        assert consolidation == [5, 2, 1e-2]
        assert options["shared_value"] == "midrange"
    else:
        assert options["consolidate_every"] is None
