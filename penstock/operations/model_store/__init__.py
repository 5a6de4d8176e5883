"""The versions of a pipeline's model: what the registry says of each, and what became of its answers."""
