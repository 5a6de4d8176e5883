"""Scoring in a Python worker: the guard around a registered model."""
