"""Answers of a model made again in this process, from the rows of the tables, and taken to pieces."""
