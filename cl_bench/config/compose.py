"""From arguments to the typed config, or to one sentence about a mistake in them.

The one place that calls Hydra: :func:`config_of` for everything that needs the config of a command
line, :func:`by_hydra` for a sweep and for what Hydra's own flags show.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.config import origins, registry, tables
from cl_bench.config.choices import choices, groups, yaml_fault
from cl_bench.config.overrides import check_overrides
from cl_bench.errors import UsageError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

    from cl_bench.config.schema import RunConfig

# the values in which a user's environment may show: the resolved config is kept with the results
MAY_READ_ENVIRONMENT = ("outputs", "dataset.path")


def config_of(arguments: Sequence[str]) -> RunConfig:
    """The typed config that the overrides ``arguments`` compose."""
    return checked(compose(arguments))


def compose(arguments: Sequence[str]) -> DictConfig:
    """The config that the overrides ``arguments`` compose; a :class:`UsageError` if they do not."""
    check_overrides(arguments)
    try:
        return _compose(arguments)
    except Exception as error:  # Hydra asserts, too, what an odd value is not
        raise UsageError(explain(error, arguments)) from None


def _compose(arguments: Sequence[str]) -> DictConfig:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    _ready()
    words = _open(arguments)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(_main_folder()), version_base="1.3"):
        return compose("config", words)


def parsed(overrides: Sequence[str]) -> list[Override]:
    """The overrides as Hydra reads them; a :class:`UsageError` for one that it cannot read."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(_main_folder()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        try:
            return OverridesParser.create(loader).parse_overrides(list(overrides))
        except HydraException as error:
            raise UsageError(explain(error, overrides)) from None


def by_hydra(arguments: Sequence[str], job: Callable[[DictConfig], Any]) -> None:
    """Hydra's own way with a command line: it composes, and calls ``job`` with each config.

    Its errors are raised as they are: whether jobs have begun makes a difference to the caller.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    _ready()
    words = _open(arguments)
    GlobalHydra.instance().clear()
    before = sys.argv
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing and exiting
    sys.argv = [sys.argv[0], *words]
    try:
        hydra.main(version_base="1.3", config_path=str(_main_folder()), config_name="config")(job)()
    finally:
        sys.argv = before


def _open(arguments: Sequence[str]) -> list[str]:
    """With ``++`` before an option of a group's choice: which there are, its class says.

    Its YAML need not name one that has a default.
    """
    known = groups()
    keys = [word.partition("=")[0].partition(".") for word in arguments]
    words = [
        f"++{word}" if group in known and option else word
        for word, (group, _, option) in zip(arguments, keys, strict=True)
    ]
    return _without_its_own_stream(arguments) + words


def _without_its_own_stream(arguments: Sequence[str]) -> list[str]:
    """What takes away the options that a dataset's YAML has for the stream that it names, where the
    arguments name another, which lacks them."""
    words = [word for word in arguments if word.lstrip("+").startswith("dataset.stream=")]
    if not words:
        return []
    (given,) = parsed(words[-1:])
    names = given.sweep_string_iterator() if given.is_sweep_override() else [str(given.value())]
    base = registry.load("stream", "base").Stream
    named = [registry.find("stream", name, base) for name in names]
    taken = {key for cls in named for key in registry.settings_of(cls).model_fields}
    return [
        f"{sign}dataset.{key}=0"  # Hydra does not take away what is null
        for key in _known_keys("dataset", arguments)
        if key not in taken
        for sign in ("++", "~")
    ]


def _main_folder() -> Path:
    return origins.package().conf.absolute()


def _ready() -> None:
    """Hydra finds the choices of every origin, knows what a table is, and is quiet about it."""
    from cl_bench.config.objects import offer
    from cl_bench.config.searchpath import look_everywhere

    look_everywhere()
    offer()
    tables.register()
    hush_hydra()


def checked(composed: DictConfig) -> RunConfig:
    """What was composed, resolved without the environment's values and with all types right."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from cl_bench.config.schema import check_run

    tables.register()  # a worker of a sweep gets a config that is composed already
    try:
        allowed = {key: OmegaConf.select(composed, key) for key in MAY_READ_ENVIRONMENT}
        for key, value in allowed.items():
            OmegaConf.update(composed, key, value)
        with _closed_environment():
            values: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UsageError(explain(error, ())) from None
    return check_run(values)


@contextmanager
def _closed_environment() -> Iterator[None]:
    """Within the block ``${oc.env:...}`` is refused."""
    from omegaconf import OmegaConf
    from omegaconf.resolvers import oc

    def refuse(*arguments: Any) -> str:
        raise ValueError(
            f"${{oc.env:...}} may be used in {' and '.join(MAY_READ_ENVIRONMENT)} only, because "
            "the resolved config is kept with the results"
        )

    OmegaConf.register_new_resolver("oc.env", refuse, replace=True)
    try:
        yield
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def hush_hydra() -> None:
    """Our YAML of a launcher has its plugin's name on purpose; Hydra warns of that each time."""
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/\w+' is validated against ConfigStore")


# what the first line of an error of Hydra or OmegaConf says -> our sentence, which names the fix
SENTENCES = {
    r"Ambiguous value for argument '(.*)'": "{0}: several values are a sweep: add -m; one value "
    "that has a comma in it is quoted",
    r"Sweep parameters '(.*)' requires": "{0}: several values are a sweep: add -m",
    r"Could not append to config\. An item is already at '(.*)'": "+{0}: it is there already; "
    "leave the plus out: {0}=VALUE",
    r"Could not delete from config\. The value of '(.*)' is (.*) and not (.*)\.": "~{0}={2}: it is "
    "{1}; an option is not deleted but set: {0}=VALUE",
    r"Could not delete from config\. '(.*)' does not exist": "~{0}: there is no such option; leave "
    "it out",
    r"Missing mandatory value: (\S+)": "{key}: is missing; give it a value",
    r"Environment variable '(.*)' not found": "{{oc.env:{0}}}: the environment has no {0}; export "
    "it, or write its value instead",
    r"Interpolation key '(.*)' not found": "${{{0}}}: there is no such key to take a value from; "
    "name one of the config, with its section, as in ${{method.lr}}",
    r"Error resolving interpolation '\$\{method\}": "method=, dataset=: each takes the name of one "
    "choice; cl-bench ls shows them",
    r"Config group override must be a string": "a group takes the name of one of its choices; "
    "cl-bench ls shows them",
    r"Multiple values for (\w+)\.": "+{0}=: one at a time; several are a sweep: -m +{0}=ONE,OTHER",
    r"(?:ValueError|TypeError) raised while resolving interpolation: (.*)": "{0}",
    r"Error merging override (.*)": "{0}: takes no such value; choose one of another "
    "kind, a whole number say",
    r"You must specify '(.*)'": "{0}=???: is missing; choose one of those that cl-bench ls shows",
    r"No completion plugin for '(.*)'": "-sc install={0}: no such shell; choose bash, zsh or fish",
    r"Expecting one subcommand": 'to have TAB complete: eval "$(cl-bench -sc install=bash)"',
    r"Unsupported interpolation type (\w+)": "${{{0}:...}}: there is no such function; write the "
    "value itself",
}


def explain(error: Exception, arguments: Sequence[str]) -> str:
    """One sentence for a composition error, with the choices or a similar key."""
    from hydra.errors import OverrideParseException

    from cl_bench.config.schema import similar

    if isinstance(error, UsageError):  # a sentence already
        return str(error)
    if isinstance(error, OverrideParseException):
        return _explain_syntax(error)
    if hasattr(error, "problem_mark"):  # of a YAML of a user's
        return yaml_fault(error)
    if options := getattr(error, "options", None):
        group, _, name = str(getattr(error, "missing_cfg_file", "")).rpartition("/")
        if lacking := registry.without_yaml(group, name):
            return lacking
        hint = similar(name, options)
        return f"{group}={name}: no such choice{hint} (choose from {', '.join(options)})"
    text = (str(error).strip() or f"no way to compose this ({type(error).__name__})").splitlines()[
        0
    ]
    for pattern, sentence in SENTENCES.items():
        if match := re.search(pattern, text):
            return sentence.format(*match.groups(), key=getattr(error, "full_key", None) or "it")
    if match := re.search(r"Could not find 'paper/([^']+)'", text):
        from cl_bench.config.recipe import recipe_names

        return (
            f"+paper={match[1]}: no such recipe{similar(match[1], recipe_names())} "
            "(cl-bench reproduce --list shows all)"
        )
    if "Could not override 'paper'" in text:
        return "paper: a recipe is added to the choices, with a plus sign: +paper=PAPER/RECIPE"
    if match := re.match(r"Could not override '([^']+)'", text):
        key = match[1]
        if key in groups():
            known = ", ".join(choices(key))
            return f"{key}: takes one of {known}; single options are set by {key}.KEY=VALUE"
        return _no_such_option(key, arguments)
    if match := re.search(r"Key '([^']+)' (?:is not in struct|not in)", text):
        return _no_such_option(getattr(error, "full_key", None) or match[1], arguments)
    return f"{text.rstrip('.')}; cl-bench -h says how a run is composed"


def _no_such_option(key: str, arguments: Sequence[str]) -> str:
    """With the options of the innermost section on the way to it."""
    from cl_bench.config.schema import similar

    if key.startswith("hydra.launcher."):
        return f"{key}: this launcher has no such option; choose another by hydra/launcher=..."
    parent, _, last = key.rpartition(".")
    while not (known := _known_keys(parent, arguments)) and parent:
        parent, _, last = parent.rpartition(".")
    return f"{key}: no such option{similar(last, known)} (options: {', '.join(known)})"


def _explain_syntax(error: Any) -> str:
    """``error`` is Hydra's about one word that its grammar does not take."""
    first, *more = str(error).strip().splitlines()
    word = error.override.removeprefix("++")  # ours, or nothing that matters here
    key, equals, value = word.partition("=")
    if not (key and equals):
        return f"{word}: is neither GROUP=CHOICE nor KEY=VALUE"
    refused = first.startswith("Error parsing override") and more  # by a function of the grammar
    if refused and not re.search("extraneous|mismatched|no viable|token recog", more[0]):
        if match := re.search(r"Unknown function '(\w+)'", more[0]):
            known = "choice, range, interval, glob, sort, shuffle, int, float, str, bool"
            return f"{word}: there is no function {match[1]}; there are {known}"
        wants = "a function's arguments are its own, as in seed=range(5) or method=glob(*)"
        return f"{word}: {more[0].rstrip('.')}; {wants}"
    escaped = value.replace('"', r"\"")
    quoted = shlex.quote(f'{key}="{escaped}"')
    return f"{word}: cannot be read; quote a value with special characters: {quoted}"


def _known_keys(parent: str, arguments: Sequence[str]) -> list[str]:
    """The keys below ``parent`` of the config that the group choices alone compose."""
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf

    known = groups()
    chosen = [a for a in arguments if a.partition("=")[0] in {*known, "+paper"} and "," not in a]
    try:
        composed = _compose(chosen)
    except HydraException:
        return []
    section = OmegaConf.select(composed, parent) if parent else composed
    return [str(key) for key in section] if isinstance(section, DictConfig) else []
