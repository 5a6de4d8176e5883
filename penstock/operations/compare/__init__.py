"""Versions of a model compared on the same rows: losses, and whether they differ."""
