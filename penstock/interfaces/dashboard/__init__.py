"""The dashboard: a Streamlit app over a pipeline's tables, read by DuckDB without Spark."""
