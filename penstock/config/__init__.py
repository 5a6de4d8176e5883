"""YAML to frozen settings: what a pipeline's file may say, and how it is read."""
