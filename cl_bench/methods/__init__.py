"""Continual-learning methods: one file each, on the four verbs of ``base.Method``."""
