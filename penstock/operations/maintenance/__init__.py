"""Maintenance of tables and checkpoint: retention, compaction, vacuum, cleanup."""
