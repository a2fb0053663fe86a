"""No tracker: the run's directory has everything."""

from cl_bench.trackers.base import Tracker


class NoTracker(Tracker):
    """Keeps nothing."""
