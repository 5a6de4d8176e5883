"""Decisions about the versions of a model: their evidence, their files, and the aliases that they move."""
