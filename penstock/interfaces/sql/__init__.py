"""SQL over the tables by Spark or DuckDB."""
