"""Status, metrics and backlog of a pipeline."""
