"""Fits and registers Penstock's own models."""
