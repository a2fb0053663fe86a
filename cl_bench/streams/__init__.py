"""Streams: sequences of tasks made from one dataset by index plans and transforms, not copies."""
