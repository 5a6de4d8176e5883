"""A past window scored again by another model version, beside the answers that were given then or in their place."""
