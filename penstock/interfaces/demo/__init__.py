"""The demo of both workloads."""
