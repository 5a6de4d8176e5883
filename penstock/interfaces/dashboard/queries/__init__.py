"""The dashboard's queries: functions of a DuckDB connection in which the tables are registered by name.

Filters and columns are pushed down into the tables' files, and results are bounded by a LIMIT or by the number of
groups.
"""
