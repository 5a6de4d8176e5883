"""Lag windows and forecasts of series, as DataFrame functions."""
