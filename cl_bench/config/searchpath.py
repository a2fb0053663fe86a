"""Where Hydra looks for YAML: the package's groups, then those of every other origin."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from cl_bench.config import origins


class Origins(SearchPathPlugin):
    """The package's own folder is the main one already."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for origin in origins.known()[1:]:
            if origin.conf.is_dir():
                search_path.append(origin.name, f"file://{origin.conf}")


def look_everywhere() -> None:
    """Make it known to Hydra, which forgets nothing: once is enough."""
    Plugins.instance().register(Origins)
