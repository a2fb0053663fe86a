"""What a run took, as it was counted or measured while it ran."""

from __future__ import annotations

from cl_bench.metrics.base import Metric, Unit


def recorded(key: str, heading: str, meaning: str, unit: Unit, shown: bool = True) -> Metric:
    """A number of ``metrics.json`` as it is."""

    def of(run):
        return run.recorded.get(key)

    return Metric(key, heading, meaning, of, kind="cost", unit=unit, shown=shown)


SEEN = recorded("tasks_seen", "tasks seen", "tasks begun by the cost of report --at", "count")
PARAMETERS = recorded("parameters", "parameters", "numbers that the method keeps", "count")
CAPACITY = recorded("capacity", "capacity", "parameters kept, over those of one network", "ratio")
THEIRS = recorded(
    "capacity_authors_code", "capacity, theirs", "as the authors' code counts them", "ratio", False
)
MEMORY = recorded("memory_bytes", "memory", "stored samples", "bytes")
FORWARD = recorded("forward_passes", "forward", "samples passed forward", "count")
BACKWARD = recorded("backward_passes", "backward", "samples passed backward", "count")
SECONDS = recorded("seconds_total", "seconds", "wall-clock time of the run", "seconds")
TRAINING = recorded("seconds_train", "training", "of it, spent on learning", "seconds", False)
TESTS = recorded("seconds_eval", "evaluation", "of it, spent on tests", "seconds", False)
RAM = recorded("peak_rss_bytes", "peak RAM", "largest resident memory of the process", "bytes")
GPU = recorded("peak_gpu_bytes", "peak GPU", "largest memory allocated on the GPU", "bytes")
