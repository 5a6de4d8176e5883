"""What data looks like: input contracts (one module per pipeline) and the output tables."""
