"""Faults, brought from outside: the real jobs are killed, paused, doubled and fed damage, and the rows counted."""
