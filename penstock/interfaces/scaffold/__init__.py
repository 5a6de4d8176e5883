"""Writes a new pipeline from a sample."""
