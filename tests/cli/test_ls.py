"""What ``cl-bench ls`` says is what the classes say."""

import pytest
import yaml
from hydra import compose, initialize_config_dir

from cl_bench.config import registry
from cl_bench.config.choices import GROUPS, choices, conf_dir
from cl_bench.methods.base import Method


@pytest.mark.parametrize("name", choices("method"))
def test_a_methods_line_tells_its_needs(name):
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        section = compose("config", [f"method={name}"]).method
    cls = registry.find("method", section.get("implementation") or section["name"], Method)
    needs = [*(["memory"] if cls.memory_needs else []), *cls.needs]
    line = choices("method")[name][-1]
    assert line.startswith("needs: ")
    assert all(need in line for need in needs)
    assert ("memory" in line) == bool(cls.memory_needs)
    assert (line == "needs: nothing") == (not needs)


@pytest.mark.parametrize("group", GROUPS.values())
def test_every_choice_has_its_line_and_its_name(group):
    for name, parts in choices(group).items():
        assert parts[0], f"conf/{group}/{name}.yaml begins with no comment"
        content = yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text())
        assert content.get(group, content)["name"] == name
