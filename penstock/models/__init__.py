"""The model registry, and the selection of the version that scores a micro-batch."""
