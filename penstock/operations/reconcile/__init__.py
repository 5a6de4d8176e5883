"""Reconciles inbox, ledger and tables, file by file and row by row."""
