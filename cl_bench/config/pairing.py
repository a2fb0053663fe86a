"""What is known of the task, and which choices go together: told before any data is fetched.

Imports no torch: ``--dry-run`` asks too, and ``cl-bench ls`` shows what methods need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from cl_bench.config.choices import choices
from cl_bench.config.registry import declared
from cl_bench.config.target import check_target, regression
from cl_bench.errors import UsageError

if TYPE_CHECKING:
    from cl_bench.config.schema import RunConfig

# What a method, or a memory, may rely on. A method that needs none of it learns from a stream
# without tasks as well: batches, one after the other.
Need = Literal[
    "boundaries",  # to be told where a task begins and where it ends
    "identity in training",  # to know which task a batch is of
    "identity in tests",  # to know which task a test input is of
    "task data at its end",  # the task's samples once more when it ends
    "data of all tasks",  # every past task's samples once more: a reference, no continual learner
    "classes per task",  # that no class is in two tasks
    "one stay per task",  # that no task returns
    "an output per class",  # that the network's parameters know the classes
    "classes",  # that targets are classes, not numbers
]
MEANING = {
    "boundaries": "to know where tasks begin and end",
    "identity in training": "to know the task while it learns",
    "identity in tests": "to know the task in tests",
    "task data at its end": "the task's data once more at its end",
    "data of all tasks": "every past task's data once more",
    "classes per task": "tasks that are split by class",
    "one stay per task": "tasks that do not return",
    "an output per class": "a network with weights for each class",
    "classes": "targets that are classes",
}
# what tasks and model are, whatever is known of the tasks
OF_THE_TASKS = ("classes", "an output per class", "classes per task", "one stay per task")
# every method's optimiser: a schedule begins anew with every task
SCHEDULES = (
    ("optimizer.schedule", "cosine", "boundaries"),
    ("optimizer.schedule", "exponential", "boundaries"),
)
# what says most about a pairing comes first
ORDER = (
    "classes",
    "an output per class",
    "classes per task",
    "one stay per task",
    "identity in tests",
    *get_args(Need),
)


def check_stream(dataset: dict[str, Any]) -> None:
    """A :class:`UsageError` if what is said of the stream contradicts itself."""
    check_target(dataset, declared("stream", str(dataset.get("stream")), "targets"))
    check_identity(dataset)


def check_identity(dataset: dict[str, Any]) -> None:
    """A :class:`UsageError` if ``task_identity`` contradicts what else is said of the stream."""
    from cl_bench.config.schema import blurred

    scenario, known = dataset.get("scenario"), identity(dataset)
    if blurred(dataset):
        blur = f"dataset.blur={dataset['blur']}"
        if scenario == "task":
            raise UsageError(
                f"{blur} needs a scenario without task identity; choose dataset.scenario=class or "
                "domain"
            )
        if known != "none":
            raise UsageError(
                f"{blur} leaves no boundaries between tasks that dataset.task_identity={known} "
                "could tell; choose dataset.task_identity=none or dataset.blur=0"
            )
    if scenario == "task" and known != "test":
        raise UsageError(
            "dataset.scenario=task means that the task is known in tests, "
            f"dataset.task_identity={known} that it is not; choose dataset.task_identity=test, or "
            "dataset.scenario=class or domain"
        )
    if scenario == "class" and known == "test":
        raise UsageError(
            "dataset.scenario=class means that the task is unknown in tests, "
            "dataset.task_identity=test that it is known; choose dataset.task_identity=train or "
            "dataset.scenario=task"
        )


def check_pairing(cfg: RunConfig) -> None:
    """A :class:`UsageError` with the reason and what to choose, if the choices cannot work."""
    method, memory, model = (_file(getattr(cfg, group)) for group in ("method", "memory", "model"))
    check_stream(cfg.dataset)
    asked = declared("method", method, "memory_needs")
    name = cfg.method["name"]
    if not asked <= declared("memory", memory, "abilities"):
        able = [
            name for name in choices("memory") if asked <= declared("memory", name, "abilities")
        ]
        raise UsageError(
            f"method={name} does not work with memory={cfg.memory['name']}; "
            f"choose memory={' or memory='.join(able)}"
        )
    only_for = declared("model", model, "only_for", default=method)
    if only_for != method:
        raise UsageError(
            f"method={name} does not work with model={cfg.model['name']}, which is for "
            f"method={only_for} alone; choose model=mlp"
        )
    wanted = [("", need) for need in needs("method", method)]
    for key, value, need in (*SCHEDULES, *declared("method", method, "needs_with")):
        if _setting(cfg.method, key) == value:
            wanted.append((f"method.{key}={in_yaml(value)}", need))
    if declared("model", model, "embeds"):
        wanted.append((f"model={cfg.model['name']}", "classes"))
    if asked:
        wanted += [(f"memory={cfg.memory['name']}", need) for need in needs("memory", memory)]
    for who, need in sorted(wanted, key=lambda pair: ORDER.index(pair[1])):
        if not _met(need, cfg):
            raise refusal(cfg, need, who)


def needs(group: str, file: str) -> list[Need]:
    """What the class in the group's file of that name declares; words outside :data:`Need` raise
    a :class:`UsageError`."""
    found = declared(group, file, "needs")
    for word in found:
        if word not in get_args(Need):
            raise UsageError(
                f"{group}={file} needs {word!r}, which is no word for it; the words are "
                f"{', '.join(get_args(Need))}"
            )
    return [word for word in get_args(Need) if word in found]


def in_yaml(value: object) -> object:
    """A value of a setting as the command line has it."""
    return "null" if value is None else value


def identity(dataset: dict[str, Any]) -> str:
    """What is known of the task; runs recorded before it was a choice were always told."""
    return str(dataset.get("task_identity", "test"))


def refusal(cfg: RunConfig, need: Need, who: str = "") -> UsageError:
    """The sentence for ``who`` (the method), whose need the stream does not meet."""
    from cl_bench.config.schema import blurred

    dataset = cfg.dataset
    known, scenario = identity(dataset), dataset.get("scenario")
    others = "or another method (cl-bench ls methods shows what each needs)"
    if who.startswith("memory="):
        others = "or memory=reservoir"
    elif who.startswith("method."):
        others = f"or another value of {who.partition('=')[0]}"
    if need == "classes":
        cause, choose = "dataset.target=regression", "a dataset with classes, such as mnist_split"
        if who.startswith("model="):
            others = "or model=mlp"
    elif need == "classes per task":
        cause, choose = f"dataset={dataset['name']}", "a dataset split by class, such as cifar100"
        if scenario == "domain" and not _shares_classes(dataset):
            cause, choose = "dataset.scenario=domain", "dataset.scenario=class or task"
    elif need == "an output per class":
        cause, choose = f"model={cfg.model['name']}", "model=mlp"
    elif need == "one stay per task":
        cause, choose = f"dataset.order={dataset['order']}", "an order with each task once"
    elif need == "identity in tests":
        cause, choose = f"dataset.task_identity={known}", "dataset.task_identity=test"
        if scenario == "class":
            cause, choose = "dataset.scenario=class", "dataset.scenario=task"
    else:
        cause, choose = f"dataset.task_identity={known}", "dataset.task_identity=train"
    if blurred(dataset) and need not in OF_THE_TASKS:
        cause = f"dataset.blur={dataset['blur']}"
        choose = f"{choose} dataset.blur=0" if need == "identity in tests" else "dataset.blur=0"
    who = who or f"method={cfg.method['name']}"
    return UsageError(
        f"{who} needs {MEANING[need]}, which {cause} does not allow; choose {choose}, {others}"
    )


def _setting(section: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        section = section.get(part) if isinstance(section, dict) else None
    return section


def _met(need: Need, cfg: RunConfig) -> bool:
    dataset = cfg.dataset
    if need == "classes":
        return not regression(dataset)
    if need == "an output per class":
        return not declared("model", _file(cfg.model), "embeds")
    if need == "classes per task":
        return dataset.get("scenario") != "domain" and not _shares_classes(dataset)
    if need == "one stay per task":
        order = dataset.get("order")
        return not isinstance(order, list) or len(set(order)) == len(order)
    known = identity(dataset)
    return known == "test" or (known == "train" and need != "identity in tests")


def _shares_classes(dataset: dict[str, Any]) -> bool:
    return bool(declared("stream", str(dataset.get("stream")), "shares_classes"))


def _file(section: dict[str, Any]) -> str:
    return str(section.get("implementation") or section["name"])
