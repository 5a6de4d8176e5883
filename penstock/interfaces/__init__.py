"""How people and programs reach a pipeline."""
