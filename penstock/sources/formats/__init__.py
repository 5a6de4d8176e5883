"""Source formats."""
