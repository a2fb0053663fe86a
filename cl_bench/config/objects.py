"""The YAML that objects have not: what a registered class or dataset is composed from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cl_bench.config import registry

if TYPE_CHECKING:
    from pydantic import BaseModel

MISSING = "???"  # must be given a value


def offer() -> None:
    """Make what is registered a choice of its group, to Hydra."""
    from hydra.core.config_store import ConfigStore

    for (group, name), made in registry.registered().items():
        if (node := _node(group, name, made)) is not None:
            ConfigStore.instance().store(name, node, group)


def _node(group: str, name: str, made: Any) -> dict[str, Any] | None:
    """What a YAML of the group would say; None for what is chosen by another group's options."""
    if group == "dataset":
        return {"defaults": ["npz", "_self_"], "name": name, "source": name}
    if group not in ("method", "model", "memory", "tracker"):
        return None
    values = {"name": name, **_values(registry.settings_of(made))}
    if group != "method":
        return values
    values.pop("optimizer", None)
    return {"defaults": ["/common/optimizer@optimizer", "_self_"], **values}


def _values(settings: type[BaseModel]) -> dict[str, Any]:
    """Every option with its default."""
    from pydantic import BaseModel

    found = {}
    for key, field in settings.model_fields.items():
        if key in ("name", "implementation"):
            continue
        value = MISSING if field.is_required() else field.get_default(call_default_factory=True)
        found[key] = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return found
