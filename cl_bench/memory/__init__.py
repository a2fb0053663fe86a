"""Memories: past samples kept in fixed tensors on the run's device."""
