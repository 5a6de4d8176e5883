"""Run, check, monitor, reconcile and maintain a pipeline."""
