"""From YAML to frozen settings: the schema of a pipeline's config file, and its loader."""
