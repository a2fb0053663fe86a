"""One network for all tasks and nothing against forgetting: the lower reference.

Source: the baseline "single" of Lopez-Paz & Ranzato 2017, section 4.
"""

from __future__ import annotations

from cl_bench.methods.base import Method


class Single(Method):
    """θ ← θ - lr · g: plain SGD, which the base class does already."""
