"""A micro-batch, and the stream that runs one after another."""
