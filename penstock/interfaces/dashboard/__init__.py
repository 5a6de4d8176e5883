"""The dashboard: pages for a browser over a pipeline's tables, by Streamlit and DuckDB, without Spark."""
