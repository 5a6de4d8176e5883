"""Finds where in its file a row of the tables stands, on the driver and without Spark."""
