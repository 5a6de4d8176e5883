"""What the dashboard asks of the tables: functions of a DuckDB connection, which knows the tables by their names.

Filters and columns go down into the tables' files, and what comes back is bounded by a LIMIT or by the
number of groups.
"""
