"""The library between the jobs and the schemas; it runs on the driver."""

__version__ = "0.1.0"
