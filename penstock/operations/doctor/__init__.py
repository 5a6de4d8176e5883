"""Checks before a run what would fail in it."""
