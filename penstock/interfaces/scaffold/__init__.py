"""Scaffolds a new pipeline from a sample file."""
