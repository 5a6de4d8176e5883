"""The Spark session, its settings, and the Delta tables."""
