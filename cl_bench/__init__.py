"""cl-bench: a config-driven benchmark runner for continual learning."""

__version__ = "0.1.0"
