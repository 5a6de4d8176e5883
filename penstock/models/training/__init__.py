"""Fits and registers the models that Penstock brings."""
