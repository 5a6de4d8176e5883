"""Single files and Delta logs, local or on S3, without Spark."""
