"""Windows and forecasts of series, as DataFrame functions."""
