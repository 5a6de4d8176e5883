"""The calendar of a series, as the section `series` has it."""

from penstock.udfs.var.fleet_frequency import Frequency

__all__ = ["Frequency"]
