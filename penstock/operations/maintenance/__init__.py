"""Keeps tables and checkpoint small."""
