"""The registry, and which version scores a micro-batch."""
