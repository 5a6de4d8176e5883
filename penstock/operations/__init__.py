"""Run, check, watch, reconcile and maintain a pipeline."""
